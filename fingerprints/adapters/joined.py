"""A folder whose sub-folders are the parts of one model, read as one checkpoint.

XTuner writes multimodal models so: `llm_adapter/` or `llm/`, `visual_encoder_adapter/` or `visual_encoder/`, and
`projector/`. See https://github.com/InternLM/xtuner/blob/main/xtuner/model/llava.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from fingerprints.adapters.borrowed import BorrowingCheckpoint, borrow
from fingerprints.adapters.configuration import AdapterConfig, read_adapter_config
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import NotACheckpoint
from fingerprints.readers import open_checkpoint, weight_sets
from fingerprints.readers.containment import require_inside
from fingerprints.readers.mount import public_name

PARTS: Final = {
    "llm": "llm",
    "llm_adapter": "llm",
    "visual_encoder": "visual_encoder",
    "visual_encoder_adapter": "visual_encoder",
    "projector": "projector",
}
"""Sub-folders, and what their tensors' names begin with in the whole model."""


class JoinedCheckpoint(BorrowingCheckpoint):
    """Several checkpoints under one name each; `configs` has the adapter's configuration of each."""

    def __init__(self, reference: str, place: Path, parts: Mapping[str, Checkpoint]) -> None:
        tensors = {
            f"{PARTS[part]}.{name}": replace(
                borrowed, info=replace(borrowed.info, shard=f"{part}/{borrowed.info.shard}")
            )
            for part, inner in parts.items()
            for name in inner.tensors
            for borrowed in (borrow(inner, name, f"{PARTS[part]}.{name}"),)
        }
        first = next(iter(parts.values())).origin
        findings = tuple(finding for inner in parts.values() for finding in inner.origin.findings)
        origin = replace(
            first,
            reference=reference,
            path=place,
            shards=tuple(f"{part}/{shard}" for part, inner in parts.items() for shard in inner.origin.shards),
            weight_sets=weight_sets(place),
            findings=findings,
            config={},
            metadata={},
        )
        super().__init__(origin, tensors, tuple(parts.values()))
        self.configs: Mapping[str, AdapterConfig] = {
            PARTS[part]: read_adapter_config(inner.origin.path) for part, inner in parts.items()
        }


def open_model(path: str | Path, *, variant: str | None = None) -> Checkpoint:
    """Open a checkpoint as `open_checkpoint` does, or the parts of one model that lie in sub-folders as one.

    Raises
    ------
    CheckpointError
        When the input is at fault, or one of the parts is.
    UsageError
        When there is no set called `variant`.
    """
    place = Path(path)
    try:
        return open_checkpoint(path, variant=variant)
    except NotACheckpoint:
        present = [part for part in PARTS if variant is None and _is_folder(place / part)]
        if len({PARTS[part] for part in present}) < 2 or len({PARTS[part] for part in present}) < len(present):
            raise
    with ExitStack() as opened:
        parts: dict[str, Checkpoint] = {}
        for part in present:
            parts[part] = opened.enter_context(open_checkpoint(require_inside(place, part)))
        joined = JoinedCheckpoint(public_name(str(path)), place, parts)
        opened.pop_all()
    return joined


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):
        return False
