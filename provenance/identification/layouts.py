"""The architecture half of `identify`: whose names and shapes the checkpoint has."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from fingerprints.anatomy import Anatomy
from fingerprints.measurement import Measurement
from fingerprints.pairing import pair_parts
from fingerprints.samples import SampleSettings
from provenance.architecture import describe_architecture
from provenance.fingerprint_comparison import Printed, reference_of
from provenance.identification.catalogue import CatalogueEntry, catalogue
from provenance.identification.result import Layout
from provenance.observation import Observation, Side
from provenance.options import ALPHA
from provenance.result import ArchitectureRelation

CLOSE = 0.5
"""Share of the tensors that must have a counterpart of the same shape for a layout to be looked at."""
MOST = 6
SAME_NAMES = 0.6
"""Share of the patterns of names that must be equal for an architecture to be named at other sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    share: float
    entry: CatalogueEntry


def known_layouts(model: Printed) -> tuple[Layout, ...]:
    """Architectures of the catalogue that the model has, tensor for tensor before nearly; of several models with one
    layout the others are named beside the first.

    Parameters
    ----------
    model : Printed
        The checkpoint.
    """
    inventory = model.side.inventory
    aside = inventory.set_aside if inventory.learned else {}
    shapes = Counter(part.shape for name, part in model.side.anatomy.parts.items() if name not in aside)
    scored = [_Scored(share=_share(shapes, entry.counted), entry=entry) for entry in catalogue()]
    near = sorted((each for each in scored if each.share >= CLOSE), key=lambda each: (-each.share, each.entry.name))
    sized = bool(near)
    near = near or _by_names(model)
    groups: dict[tuple[object, ...], list[CatalogueEntry]] = {}
    for each in near:
        groups.setdefault(each.entry.templates, []).append(each.entry)
    found: list[Layout] = []
    for entries in list(groups.values())[:MOST]:
        first = entries[0]
        others = tuple(entry.name for entry in entries[1:])
        layout = layout_of(model, first.anatomy, first.name, first.family, "catalogue", others)
        if layout is not None:
            found.append(layout)
    found.sort(key=lambda layout: layout.relation == ArchitectureRelation.VARIANT)
    if not sized:
        return tuple(found[:1])
    exact = [layout for layout in found if not layout.sizes and layout.relation != ArchitectureRelation.VARIANT]
    return tuple(exact or found)


def _by_names(model: Printed) -> list[_Scored]:
    """Entries with the same patterns of names at other sizes, the most alike first."""
    ours = {part.template.replace("{i}", "{}") for part in model.side.anatomy.parts.values()}
    scored = []
    for entry in catalogue():
        theirs = {pattern for pattern, _, _ in entry.templates}
        scored.append(_Scored(share=len(ours & theirs) / max(len(ours | theirs), 1), entry=entry))
    wide = model.side.anatomy.dimensions.get("residual", 1)

    def unlike(each: _Scored) -> tuple[float, float, str]:
        return -each.share, abs(math.log(each.entry.anatomy.dimensions.get("residual", 1) / wide)), each.entry.name

    near = [each for each in scored if each.share >= SAME_NAMES]
    kinds: dict[frozenset[str], _Scored] = {}
    for each in sorted(near, key=unlike):
        kinds.setdefault(frozenset(pattern for pattern, _, _ in each.entry.templates), each)
    return list(kinds.values())


def _share(ours: Counter[tuple[int, ...]], theirs: Counter[tuple[int, ...]]) -> float:
    """Tensors of shapes that both have, over those of the larger."""
    return sum((ours & theirs).values()) / max(sum(ours.values()), sum(theirs.values()), 1)


def layout_of(
    model: Printed, known: Anatomy, name: str, family: str, source: str, others: tuple[str, ...]
) -> Layout | None:
    """How a model's tensors relate to a known architecture; None where they are others.

    Parameters
    ----------
    model : Printed
        The checkpoint.
    known : Anatomy
        The known architecture.
    name, family, source, others
        As the result has them.
    """
    side = Side(origin=reference_of(name, model.fingerprint), anatomy=known, inventory=model.side.inventory, dtypes={})
    observed = Observation(
        a=side,
        b=model.side,
        pairing=pair_parts(known, model.side.anatomy),
        measurement=Measurement(tensors=(), tests=(), untested=(), skipped=()),
        equalities={},
        alpha=ALPHA,
        sample=SampleSettings(),
    )
    architecture = describe_architecture(observed)
    if architecture.relation is ArchitectureRelation.DIFFERENT:
        return None
    return Layout(
        name=name,
        family=family,
        relation=architecture.relation,
        renamed=tuple(f"{rule.a} = {rule.b}" for rule in architecture.renames),
        sizes=architecture.sizes,
        source=source,
        others=others,
    )
