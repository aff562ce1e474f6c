"""The architecture half of `identify`: whose names and shapes the checkpoint has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fingerprints.measurement import Measurement
from fingerprints.pairing import pair_parts
from fingerprints.samples import SampleSettings
from provenance.architecture import describe_architecture
from provenance.fingerprint_comparison import Printed, reference_of
from provenance.identification.catalogue import CatalogueEntry, catalogue
from provenance.identification.result import Layout
from provenance.observation import Observation, Side
from provenance.result import ArchitectureRelation

CLOSE = 0.5
"""Share of the tensors that must have a counterpart of the same shape for a layout to be looked at."""
MOST = 6


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
    aside = model.side.inventory.set_aside
    shapes = Counter(part.shape for name, part in model.side.anatomy.parts.items() if name not in aside)
    scored = [_Scored(share=_share(shapes, entry.counted), entry=entry) for entry in catalogue()]
    near = sorted((each for each in scored if each.share >= CLOSE), key=lambda each: (-each.share, each.entry.name))
    found: list[Layout] = []
    groups: dict[tuple[object, ...], list[CatalogueEntry]] = {}
    for each in near:
        groups.setdefault(each.entry.templates, []).append(each.entry)
    for entries in list(groups.values())[:MOST]:
        layout = _layout(model, entries[0], tuple(entry.name for entry in entries[1:]))
        if layout is not None:
            found.append(layout)
    exact = [layout for layout in found if not layout.sizes and layout.relation != ArchitectureRelation.VARIANT]
    return tuple(exact or found)


def _share(ours: Counter[tuple[int, ...]], theirs: Counter[tuple[int, ...]]) -> float:
    """Tensors of shapes that both have, over those of the larger."""
    return sum((ours & theirs).values()) / max(sum(ours.values()), sum(theirs.values()), 1)


def _layout(model: Printed, entry: CatalogueEntry, others: tuple[str, ...]) -> Layout | None:
    inventory = model.side.inventory
    bare = reference_of(entry.name, model.fingerprint)
    known = Side(origin=bare, anatomy=entry.anatomy, inventory=inventory, dtypes={})
    pairing = pair_parts(entry.anatomy, model.side.anatomy)
    nothing = Measurement(tensors=(), tests=(), untested=(), skipped=())
    observed = Observation(
        a=known,
        b=model.side,
        pairing=pairing,
        measurement=nothing,
        equalities={},
        alpha=0.5,
        sample=SampleSettings(),
    )
    architecture = describe_architecture(observed)
    if architecture.relation is ArchitectureRelation.DIFFERENT:
        return None
    return Layout(
        name=entry.name,
        family=entry.family,
        relation=architecture.relation,
        renamed=tuple(f"{rule.a} = {rule.b}" for rule in architecture.renames),
        sizes=architecture.sizes,
        source="catalogue",
        others=others,
    )
