"""What a fuzzed input is to each reader: under which name it is written, beside what, and what is then read of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fingerprints.adapters import read_adapter
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError, UsageError
from fingerprints.readers import open_checkpoint

CORPUS: Final = Path(__file__).parent / "corpus"
MOST_TENSORS: Final = 6
MOST_ROWS: Final = 3
SMALL: Final = 1 << 16
"""Bytes of a tensor that is also read whole."""
CUT: Final = b"\x00\xffcut\xff\x00"
"""Parts the files of an input that is more than one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The files that an input is written to, in the order of its parts; a folder is opened if there are several."""

    names: tuple[str, ...]

    @property
    def is_folder(self) -> bool:
        """Whether the folder is opened rather than the file."""
        return len(self.names) > 1 or "/" in self.names[0]


READERS: Final = {
    "safetensors": Place(names=("model.safetensors",)),
    "torch": Place(names=("pytorch_model.bin",)),
    "gguf": Place(names=("model.gguf",)),
    "onnx": Place(names=("model.onnx",)),
    "hdf5": Place(names=("model.weights.h5",)),
    "keras": Place(names=("model.keras",)),
    "flax": Place(names=("flax_model.msgpack",)),
    "packed": Place(names=("model.safetensors", "config.json")),
    "adapter": Place(names=("adapter_model.safetensors", "adapter_config.json")),
    "sharded": Place(names=("model.safetensors.index.json", "a.safetensors", "b.safetensors")),
    "distributed": Place(names=(".metadata", "__0_0.distcp")),
    "slices": Place(names=("consolidated.00.safetensors", "consolidated.01.safetensors", "params.json")),
}
"""Readers, and the code that puts several files together, by the name that the fuzzer takes."""


def parts(content: bytes, count: int) -> list[bytes]:
    """The files of an input: those that it has too few of are empty."""
    found = content.split(CUT, count - 1)
    return found + [b""] * (count - len(found))


def place(reader: str, content: bytes, folder: Path) -> Path:
    """Write an input where its reader finds it, over the one before, and return what to open."""
    names = READERS[reader].names
    for name, part in zip(names, parts(content, len(names)), strict=True):
        (folder / name).write_bytes(part)
    return folder if READERS[reader].is_folder else folder / names[0]


def read(path: Path) -> int:
    """Open a checkpoint and read a little of it; return how many tensors could be.

    Raises
    ------
    Exception
        Anything but the errors that readers may raise.
    """
    try:
        with open_checkpoint(path) as checkpoint:
            read_adapter(checkpoint)
            names = list(checkpoint.tensors)
            few = [*names[: MOST_TENSORS // 2], *names[-(MOST_TENSORS // 2) :]]
            return sum(_read_tensor(checkpoint, name) for name in dict.fromkeys(few))
    except (CheckpointError, UsageError) as error:
        _check(error)
        return 0


def _read_tensor(checkpoint: Checkpoint, name: str) -> bool:
    info = checkpoint.tensors[name]
    count = info.shape[0] if info.shape else 1
    row = info.size // max(count, 1)
    if row > SMALL * 256:
        return False
    try:
        first = checkpoint.rows(name, 0, min(count, MOST_ROWS))
        assert first.shape == (min(count, MOST_ROWS), *info.shape[1:]), (first.shape, info)
        if count:
            assert len(checkpoint.take(name, [count - 1])) == 1
        if info.size <= SMALL:
            assert sum(block.size for block in checkpoint.blocks(name)) == info.size
    except (CheckpointError, UsageError) as error:
        _check(error)
        return False
    return True


def _check(error: CheckpointError | UsageError) -> None:
    assert error.message.isascii(), error.message
    assert error.hint, f"no hint: {error.message}"
    json.dumps(error.message)
