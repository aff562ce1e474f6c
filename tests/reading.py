"""Reading all that a damaged checkpoint still gives, where nothing but its own errors may come up."""

from __future__ import annotations

from pathlib import Path

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.readers import open_checkpoint


def read_tensor(checkpoint: Checkpoint, name: str) -> None:
    info = checkpoint.tensors[name]
    count = info.shape[0] if info.shape else 1
    assert checkpoint.rows(name, 0, min(count, 4)).shape[1:] == info.shape[1:]
    checkpoint.take(name, [0] if count else [])
    if info.nbytes < 1 << 20:
        assert sum(block.size for block in checkpoint.blocks(name)) == info.size


def read_everything(path: Path) -> None:
    errors: list[CheckpointError] = []
    try:
        with open_checkpoint(path) as checkpoint:
            for name in checkpoint.tensors:
                try:
                    read_tensor(checkpoint, name)
                except CheckpointError as error:
                    errors.append(error)
    except CheckpointError as error:
        errors.append(error)
    assert all(error.hint and error.message.isascii() for error in errors)
