"""A comparison as SARIF 2.1.0: one rule a relation, one result, which fails where a policy forbids the relation.

The artifact is B, the checkpoint under test; A is its related location. Without a policy the result only informs.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from provenance import wording
from provenance.escaping import prose, visible
from provenance.messages import messages
from provenance.reports.encoder import Presentation
from provenance.reports.values import all_visible
from provenance.result import ModelSummary, Relation, Result, to_json
from provenance.version import DISTRIBUTION

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HELP = {
    Relation.IDENTICAL: "The learned weights of both checkpoints are equal.",
    Relation.DERIVED: "Trained weights are shared: one comes from the other, or both from a common trained ancestor.",
    Relation.COMMON_ORIGIN: "The weights are not independent, but nothing shows that trained weights were copied.",
    Relation.INDEPENDENT: "No dependence was found, though a small one would have been seen.",
    Relation.INCONCLUSIVE: "The weights do not decide.",
}


def encode(result: Result, presentation: Presentation) -> str:
    """`result` as one SARIF run."""
    relations = list(Relation)
    verdict = result.verdict
    forbidden = verdict.relation in presentation.failing
    kind = "fail" if forbidden else "open" if verdict.relation is Relation.INCONCLUSIVE else _allowed(presentation)
    finding = {
        "ruleId": verdict.relation,
        "ruleIndex": relations.index(verdict.relation),
        "kind": kind,
        "level": "error" if forbidden else "none",
        "message": {"text": prose(f"{wording.headline(verdict, messages())}. {verdict.summary}")},
        "locations": [_location(result.b)],
        "relatedLocations": [{"id": 0, **_location(result.a)}],
        "fingerprints": {"digests/v1": f"{visible(result.a.digest)} {visible(result.b.digest)}"},
        "properties": all_visible(
            {
                "log10_p": verdict.log10_p,
                "effect": verdict.effect,
                "coverage": to_json(verdict.coverage),
                "direction": verdict.direction,
                "kinds": [kind.kind for kind in verdict.kinds],
            }
        ),
    }
    driver = {"name": DISTRIBUTION, "version": visible(result.run.version), "rules": list(map(_rule, relations))}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "properties": {"policy": {"forbidden": sorted(presentation.failing)}},
        "results": [finding],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"


def _allowed(presentation: Presentation) -> str:
    """What a relation is that no policy forbids: passed, or news where there is no policy."""
    return "pass" if presentation.failing else "informational"


def _rule(relation: Relation) -> dict[str, Any]:
    return {
        "id": relation,
        "shortDescription": {"text": messages()(f"headline.{relation}") + "."},
        "fullDescription": {"text": _HELP[relation]},
    }


def _location(side: ModelSummary) -> dict[str, Any]:
    """Where a side was read from, as a relative reference or a file URI."""
    shown = visible(side.reference, limit=1000)
    uri = ("file://" if shown.startswith("/") else "") + quote(shown)
    return {"physicalLocation": {"artifactLocation": {"uri": uri}}, "message": {"text": shown}}
