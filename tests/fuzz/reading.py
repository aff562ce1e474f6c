"""What a fuzzed input is to each reader: under which names it is written, and what is then read of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fingerprints.adapters import applied_to, changes, open_model, read_adapter, unwrapped, with_base
from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.errors import CheckpointError, UsageError
from fingerprints.layouts import harmonised, layouts_in
from tests.fuzz.described import safetensors_of

CORPUS: Final = Path(__file__).parent / "corpus"
MOST_TENSORS: Final = 10
MOST_ROWS: Final = 3
ODD_BLOCK: Final = 104
"""Bytes of a block, at least, where a tensor is read whole: what begins and ends inside of rows."""
SMALL: Final = 1 << 13
"""Elements of a tensor that is also read whole."""
MOST_IN_ROW: Final = 1 << 24
CUT: Final = b"\x00\xffcut\xff\x00"
"""Parts the files of an input that is more than one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The files that an input is written to, in the order of its parts; a folder is opened if there are several.

    `described` names those files that are written from lines of text, see `described.py`.
    """

    names: tuple[str, ...]
    described: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether the folder is opened rather than the file."""
        return len(self.names) > 1


_BASE: Final = "base/model.safetensors"
_ADAPTER: Final = "adapter_model.safetensors"
_SIDES: Final = ("a/model.safetensors", "b/model.safetensors")
_SLICES: Final = ("consolidated.00.safetensors", "consolidated.01.safetensors")
_MODELS: Final = ("unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors")
_XTUNER: Final = ("llm_adapter/adapter_model.safetensors", "projector/model.safetensors")

READERS: Final = {
    "safetensors": Place(names=("model.safetensors",)),
    "torch": Place(names=("pytorch_model.bin",)),
    "gguf": Place(names=("model.gguf",)),
    "onnx": Place(names=("model.onnx",)),
    "hdf5": Place(names=("model.weights.h5",)),
    "keras": Place(names=("model.keras",)),
    "flax": Place(names=("flax_model.msgpack",)),
    "packed": Place(names=("model.safetensors", "config.json"), described=("model.safetensors",)),
    "adapter": Place(names=(_ADAPTER, "adapter_config.json", _BASE), described=(_ADAPTER, _BASE)),
    "joined": Place(names=(*_XTUNER, "llm_adapter/adapter_config.json"), described=_XTUNER),
    "layouts": Place(names=_SIDES, described=_SIDES),
    "pipeline": Place(names=("model_index.json", *_MODELS, "vae/config.json"), described=_MODELS),
    "sharded": Place(names=("model.safetensors.index.json", "a.safetensors", "b.safetensors")),
    "split": Place(names=("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")),
    "rivals": Place(names=("model.safetensors", "pytorch_model.bin", "config.json"), described=("model.safetensors",)),
    "distributed": Place(names=(".metadata", "__0_0.distcp")),
    "slices": Place(names=(*_SLICES, "params.json"), described=_SLICES),
}
"""Readers, and the code that puts several files together, by the name that the fuzzer takes."""


def parts(content: bytes, count: int) -> list[bytes]:
    """The files of an input: those that it has too few of are empty."""
    found = content.split(CUT, count - 1)
    return found + [b""] * (count - len(found))


def place(reader: str, content: bytes, folder: Path) -> Path:
    """Write an input where its reader finds it, over the one before, and return what to open."""
    where = READERS[reader]
    for name, part in zip(where.names, parts(content, len(where.names)), strict=True):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(safetensors_of(part) if name in where.described else part)
    return folder if where.is_folder else folder / where.names[0]


def read(path: Path) -> int:
    """Open a checkpoint, or two, and read a little of it as it is and as comparisons see it.

    Returns
    -------
    int
        How many of the tensors that were asked for could be read.

    Raises
    ------
    Exception
        Anything but the errors that readers may raise.
    """
    sides = [path.joinpath(name).parent for name in _SIDES]
    try:
        if all(side.is_dir() for side in sides):
            return _read_both(*sides)
        with open_model(path) as checkpoint:
            layouts_in(checkpoint)
            return _read(checkpoint) + _read_adapter(checkpoint, path / _BASE)
    except (CheckpointError, UsageError) as error:
        _check(error)
        return 0


def _read_both(a: Path, b: Path) -> int:
    """Two checkpoints, either in the layout of the other."""
    with open_model(a) as left, open_model(b) as right:
        layouts_in(left)
        return sum(_read(side) for side in harmonised(left, right)[:2])


def _read_adapter(checkpoint: Checkpoint, base: Path) -> int:
    """The adapter that a checkpoint may hold: with the base beside it, else by itself and on another base."""
    adapter = read_adapter(checkpoint)
    if adapter is None:
        return 0
    assert adapter.text.isascii()
    json.dumps(dict(adapter.fields))
    if not adapter.alone:
        return _read(with_base(adapter))
    count = _read(changes(adapter)) + _read(unwrapped(adapter))
    if base.is_file():
        with open_model(base) as other:
            count += _read(applied_to(adapter, other, {name: name for name in other.tensors})[0])
    return count


def _read(checkpoint: Checkpoint) -> int:
    names = list(checkpoint.tensors)
    few = [*names[: MOST_TENSORS // 2], *names[-(MOST_TENSORS // 2) :]]
    return sum(_read_tensor(checkpoint, name) for name in dict.fromkeys(few))


def _read_tensor(checkpoint: Checkpoint, name: str) -> bool:
    info = checkpoint.tensors[name]
    count = info.shape[0] if info.shape else 1
    row = info.size // max(count, 1)
    if row > MOST_IN_ROW:
        return False
    try:
        first = checkpoint.rows(name, 0, min(count, MOST_ROWS))
        assert first.shape == (min(count, MOST_ROWS), *info.shape[1:]), (first.shape, info)
        none = checkpoint.take(name, [])
        assert (none.shape, none.dtype) == ((0, *info.shape[1:]), first.dtype), (none.shape, none.dtype, info)
        if count:
            assert len(checkpoint.take(name, [count - 1])) == 1
        if info.size <= SMALL:
            whole = np.concatenate([none.reshape(-1), *checkpoint.blocks(name, max(ODD_BLOCK, info.size // 2))])
            assert whole.shape == (info.size,), (whole.shape, info)
            assert _are_same(whole[: first.size], first.reshape(-1)), info
    except (CheckpointError, UsageError) as error:
        _check(error)
        return False
    return True


def _are_same(a: Array, b: Array) -> bool:
    """Whether values are equal, those that are no numbers wherever they are."""
    return a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())


def _check(error: CheckpointError | UsageError) -> None:
    assert error.message.isascii(), error.message
    assert error.hint, f"no hint: {error.message}"
    json.dumps(error.message)
