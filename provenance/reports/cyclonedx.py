"""A comparison as a CycloneDX machine-learning bill of materials.

B is the component that the document describes. Where the weights show that it comes from A, A is its ancestor; where
they show the reverse, its descendant; where they show kinship without a direction, its variant, which is what CycloneDX
calls "related, but it is unclear if one is derived from the other".
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import uuid
from typing import TYPE_CHECKING, Any

from fingerprints.errors import UsageError
from provenance.escaping import prose, visible
from provenance.reports.digests import digest_of_side
from provenance.reports.encoder import Presentation
from provenance.reports.json import encode as encode_json
from provenance.result import Direction, ModelSummary, Relation, Result
from provenance.version import DISTRIBUTION

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, Pedigree

_RELATED = (Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN)


def check() -> None:
    """Find out before the work whether the library is there.

    Raises
    ------
    UsageError
        When it is not installed.
    """
    if importlib.util.find_spec("cyclonedx") is None:
        raise UsageError(
            "writing CycloneDX needs cyclonedx-python-lib, which is not installed",
            hint="pip install 'provenance-auditor[bom]'",
        )


def encode_1_6(result: Result, presentation: Presentation) -> str:
    """`result` as CycloneDX 1.6, in JSON."""
    return _encoded(result, "V1_6")


def encode_1_7(result: Result, presentation: Presentation) -> str:
    """`result` as CycloneDX 1.7, in JSON."""
    return _encoded(result, "V1_7")


def _encoded(result: Result, version: str) -> str:
    check()
    from cyclonedx.output.json import BY_SCHEMA_VERSION
    from cyclonedx.schema import SchemaVersion

    plain = json.loads(BY_SCHEMA_VERSION[SchemaVersion[version]](_bill(result)).output_as_string())
    # A result does not say when it was made, and the same result gives the same document.
    plain["metadata"].pop("timestamp", None)
    return json.dumps(plain, indent=2) + "\n"


def _bill(result: Result) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    tool = Component(name=DISTRIBUTION, version=visible(result.run.version), type=ComponentType.APPLICATION)
    described = _component(result.b, "b", result)
    described.pedigree = _pedigree(result)
    digest = hashlib.sha256(encode_json(result).encode()).digest()
    return Bom(
        serial_number=uuid.UUID(bytes=digest[:16], version=4),
        metadata=BomMetaData(tools=ToolRepository(components=[tool]), component=described),
    )


def _component(side: ModelSummary, label: str, result: Result) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    digest = digest_of_side(side)
    return Component(
        name=visible(side.reference, limit=1000),
        version=None if side.revision is None else visible(side.revision),
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=label,
        # The digest of headers would be the same for other weights: it is a property below, and no hash.
        hashes=[HashType(alg=HashAlgorithm.BLAKE2B_256, content=digest.value)]
        if digest is not None and digest.covers == "content"
        else [],
        properties=_properties({"digest": side.digest, "format": side.format, "parameters": side.params})
        + (_verdict(result) if label == "b" else []),
    )


def _verdict(result: Result) -> list[Any]:
    verdict = result.verdict
    kinds = ", ".join(kind.kind for kind in verdict.kinds)
    return _properties(
        {
            "relation": verdict.relation,
            "decided_by": verdict.clause,
            "scope": verdict.scope,
            "kinds": kinds or None,
            "direction": verdict.direction,
            "log10_p": verdict.log10_p,
            "tests": verdict.tests,
            "effect": verdict.effect,
            "coverage_a": verdict.coverage.a,
            "coverage_b": verdict.coverage.b,
        }
    )


def _properties(values: dict[str, Any]) -> list[Any]:
    from cyclonedx.model import Property

    return [
        Property(name=f"provenance:{name}", value=prose(f"{value:.6g}" if isinstance(value, float) else str(value)))
        for name, value in values.items()
        if value is not None
    ]


def _pedigree(result: Result) -> Pedigree:
    """B's kin, as far as the weights tell, with the summary as a note."""
    from cyclonedx.model.component import Pedigree

    verdict = result.verdict
    kin = [_component(result.a, "a", result)] if verdict.relation in _RELATED else []
    # A common origin makes neither the other's ancestor, whatever way values were rounded.
    way = None if verdict.relation is Relation.COMMON_ORIGIN else verdict.direction
    notes = prose(verdict.summary)
    if way is Direction.A_TO_B:
        return Pedigree(ancestors=kin, notes=notes)
    if way is Direction.B_TO_A:
        return Pedigree(descendants=kin, notes=notes)
    return Pedigree(variants=kin, notes=notes)
