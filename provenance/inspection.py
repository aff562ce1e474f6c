"""What one checkpoint is: format, sizes, dtypes, roles, and what is odd about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fingerprints.adapters import read_adapter
from fingerprints.anatomy import Part
from fingerprints.fingerprint import FingerprintCheckpoint, open_model
from fingerprints.layouts import layouts_in
from fingerprints.readers.pickle_imports import import_findings
from provenance.adaptation import adapter_side
from provenance.claims import CLAIMED, plain_claim
from provenance.fingerprint_comparison import printed
from provenance.hub import Hub
from provenance.layouts import layout_entries
from provenance.observation import Side
from provenance.result import FindingEntry, LayoutEntry, ModelSummary
from provenance.side import digest_of, look_at, summarise_side
from provenance.thresholds import thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSummary:
    """Tensors that differ only in their layer numbers: `pattern` with `{i}`, how many, their role and shapes.

    `dtypes` are element types, and schemes where values are packed.
    """

    pattern: str
    count: int
    role: str | None
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    parameters: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSetSummary:
    """One of the weight sets in the folder."""

    name: str
    format: str
    files: int
    nbytes: int
    readable: bool
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The result of `inspect`."""

    model: ModelSummary
    templates: tuple[TemplateSummary, ...]
    weight_sets: tuple[WeightSetSummary, ...]
    claims: Mapping[str, object]
    bytes_total: int
    layouts: tuple[LayoutEntry, ...] = ()
    """Fused, stacked or turned tensors, by names and shapes: what a comparison may see as others."""
    schema_version: int = 1


def inspect(model: str | Path, *, variant: str | None = None) -> Inspection:
    """Look at one checkpoint.

    Parameters
    ----------
    model : str or Path
        A file or a folder, or as text a model on the Hub.
    variant : str, optional
        The weight set to read in a folder that holds several.

    Raises
    ------
    CheckpointError
        When it cannot be used.
    """
    with Hub() as hub, open_model(hub.locate(model), variant=variant) as checkpoint:
        if isinstance(checkpoint, FingerprintCheckpoint):
            return _of_fingerprint(checkpoint)
        side, adapter = look_at(checkpoint), read_adapter(checkpoint)
        side = side if adapter is None else adapter_side(side, adapter)
        config = side.origin.config
        claims = {name: value for name in CLAIMED if (value := plain_claim(config, name)) is not None}
        whole = checkpoint.bytes_total <= thresholds().small_checkpoint_bytes
        return Inspection(
            model=_with_imports(summarise_side(side, digest_of(checkpoint, whole=whole)), side),
            templates=tuple(_template(side, pattern, parts) for pattern, parts in side.anatomy.by_template.items()),
            weight_sets=tuple(
                WeightSetSummary(
                    name=found.name,
                    format=found.format,
                    files=len(found.files),
                    nbytes=found.nbytes,
                    readable=found.readable,
                    chosen=found.chosen,
                )
                for found in checkpoint.origin.weight_sets
            ),
            claims=claims | ({} if adapter is None else dict(adapter.fields)),
            bytes_total=checkpoint.bytes_total,
            layouts=layout_entries(layouts_in(checkpoint)),
        )


def _of_fingerprint(checkpoint: FingerprintCheckpoint) -> Inspection:
    """What the checkpoint was whose fingerprint it is."""
    side = printed(checkpoint.fingerprint, checkpoint.origin).side
    return Inspection(
        model=summarise_side(side, f"fingerprint:blake2b:{checkpoint.fingerprint.content}"),
        templates=tuple(_template(side, pattern, parts) for pattern, parts in side.anatomy.by_template.items()),
        weight_sets=(),
        claims=dict(checkpoint.fingerprint.claims),
        bytes_total=checkpoint.bytes_total,
    )


def _with_imports(model: ModelSummary, side: Side) -> ModelSummary:
    """The summary with what the pickles name, which is no difference between models and left out of comparisons."""
    found = import_findings(side.origin)
    entries = [FindingEntry(code=each.code, subject=each.subject, message=each.message) for each in found]
    return replace(model, findings=(*model.findings, *entries))


def _template(side: Side, pattern: str, parts: tuple[Part, ...]) -> TemplateSummary:
    inventory = side.inventory
    notes = [inventory.set_aside.get(part.name) or inventory.unreadable.get(part.name) for part in parts]
    copies = [f"repeats {inventory.copies[part.name]}" for part in parts if part.name in inventory.copies]
    return TemplateSummary(
        pattern=pattern,
        count=len(parts),
        role=parts[0].role,
        shapes=tuple(sorted({part.shape for part in parts})),
        dtypes=tuple(sorted({part.info.stored_as for part in parts})),
        parameters=sum(part.info.size for part in parts),
        note="; ".join(dict.fromkeys([note for note in notes if note] + copies)),
    )
