"""Checkpoints of torch.distributed: a pickle `.metadata` that says where each chunk lies, and chunks in `*.distcp`.

Format: the pickle holds one `Metadata` with shapes, types and chunks by name, and for each chunk the file, offset
and length of what `torch.save` wrote for it. The pickle is described, never loaded.
https://github.com/pytorch/pytorch/blob/main/torch/distributed/checkpoint/metadata.py and `filesystem.py` beside it
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from fingerprints.checkpoint import TensorInfo
from fingerprints.errors import CheckpointError, CorruptCheckpoint
from fingerprints.readers import torch_globals
from fingerprints.readers.containment import require_inside
from fingerprints.readers.decoded_tensor import broken
from fingerprints.readers.element_types import ELEMENT_TYPES
from fingerprints.readers.joined_tensor import Piece, join
from fingerprints.readers.pickle_machine import MAX_WORK, PickleMachine
from fingerprints.readers.pickle_objects import Global, Placeholder, StorageRef, TensorView
from fingerprints.readers.pickle_stream import PickleStream
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK, FileContents
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.saved_chunk import SavedChunk
from fingerprints.readers.source import SourceFile, WindowStream
from fingerprints.readers.source_window import SourceWindow
from fingerprints.readers.torch_pickle import weights

METADATA: Final = ".metadata"
SUFFIX: Final = ".distcp"
FORMAT: Final = "distributed-checkpoint"

_HINT: Final = "the checkpoint is incomplete or damaged; copy the whole folder again, `.metadata` with it"
_REBUILD: Final = Global("torch._utils", "_rebuild_tensor_v3")
_OWN: Final = (
    "torch.distributed.checkpoint.",
    "torch.distributed._shard.",
    "torch.serialization._get_layout",
)
"""How the names begin that the format itself refers to."""
_ENUM: Final = "builtins.getattr"
"""By which Python 3.11 up to its third patch pickles a member of an enumeration, which metadata hold."""
_MAX_WORK: Final = 4 * MAX_WORK
"""Steps of the pickle: one with 50,000 chunks needs about ten million."""
_MOST_KEYS: Final = 16

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a chunk lies: `length` bytes at `offset` in `file`; `fault` if they cannot be understood."""

    file: str
    offset: int
    length: int
    fault: str | None = None


def read_distributed(folder: Path) -> FileContents:
    """Describe the tensors of a folder.

    Raises
    ------
    CheckpointError
        When `.metadata` cannot be used.
    """
    source = SourceFile(require_inside(folder, METADATA))
    machine = _Machine(
        PickleStream(io.BufferedReader(WindowStream(source, 0, source.size), 1 << 18), source.size, source.path, _HINT),
        torch_globals.call,
        torch_globals.load,
        _MAX_WORK,
    )
    try:
        root = _attributes(machine.run())
    finally:
        source.close()
    described, paths = root.get("state_dict_metadata"), root.get("planner_data")
    places = _places(root.get("storage_data"))
    if not isinstance(described, dict):
        raise CorruptCheckpoint(
            f"{quoted(str(source.path))} of {source.size} bytes does not describe a state dict",
            path=source.path,
            hint=_HINT,
            actual=source.size,
        )
    views: dict[str, TensorView] = {}
    for name, entry in described.items():
        if isinstance(name, str) and (view := _view(name, entry)) is not None:
            views[name] = view
    foreign = [name for name in machine.globals if not name.qualified.startswith(_OWN) and name.qualified != _ENUM]
    found, findings = weights(_nested(views, paths), foreign, source.path, METADATA)
    sources: dict[str, SourceFile] = {}
    names = {id(view): name for name, view in views.items()}
    containers = {
        label: {
            short: _tensor(folder, short, view, described[names[id(view)]], places.get(names[id(view)], {}), sources)
            for short, view in tensors.items()
        }
        for label, tensors in found.items()
    }
    return FileContents(format=FORMAT, containers=containers, findings=tuple(findings), sources=tuple(sources.values()))


class _Machine(PickleMachine):
    """Keeps keys that are objects: the chunks are listed by them."""

    def store(self, target: object, pairs: list[Any]) -> None:
        """Put an object that is a key beside its value, under a key that stands for itself."""
        for at in range(0, len(pairs) - 1, 2):
            if isinstance(pairs[at], Placeholder):
                pairs[at + 1] = (pairs[at], pairs[at + 1])
        super().store(target, pairs)


def _attributes(node: object) -> Mapping[Any, Any]:
    if isinstance(node, Placeholder) and node.state and isinstance(node.state[-1], dict):
        return node.state[-1]
    return {}


def _index(value: object) -> Index | None:
    """Return a tuple of lengths or positions, or None if it is none."""
    if not isinstance(value, tuple) or not all(type(at) is int and 0 <= at < 1 << 60 for at in value):
        return None
    return value


def _places(stored: object) -> dict[str, dict[Index, _Place]]:
    """Return where each chunk lies, by the tensor's name and the chunk's first element."""
    places: dict[str, dict[Index, _Place]] = defaultdict(dict)
    for pair in stored.values() if isinstance(stored, dict) else ():
        if not isinstance(pair, tuple) or len(pair) != 2:
            continue
        key, entry = _attributes(pair[0]), _attributes(pair[1])
        name, start = key.get("fqn"), _index(key.get("offset") or ())
        file, offset, length = entry.get("relative_path"), entry.get("offset"), entry.get("length")
        if not isinstance(name, str) or not isinstance(file, str) or start is None:
            continue
        if isinstance(offset, int) and isinstance(length, int) and offset >= 0 and length >= 0:
            changed = entry.get("transform_descriptors")
            fault = "it was compressed or changed as it was saved" if changed else None
            places[name][start] = _Place(file=file, offset=offset, length=length, fault=fault)
    return places


def _view(name: str, entry: object) -> TensorView | None:
    """Return shape and type of a tensor as a view of nothing in particular; None for what is no tensor."""
    fields = _attributes(entry)
    properties, shape = fields.get("properties"), fields.get("size")
    if not isinstance(properties, Placeholder) or not properties.state:
        return None
    state = properties.state[-1]
    dtype = state[0] if isinstance(state, tuple) and state else state.get("dtype") if isinstance(state, dict) else None
    lengths = _index(shape)
    if lengths is None:
        return None
    # A tensor of more axes than can be read has no strides here: their product may take forever.
    axes = range(len(lengths) if len(lengths) <= MAX_RANK else 0)
    strides = tuple(min(prod(lengths[axis + 1 :]), 1 << 60) for axis in axes)
    storage = StorageRef(key=name, dtype="U8", length=0)
    view = torch_globals.call(_REBUILD, (storage, 0, lengths, strides, False, {}, dtype))
    return view if isinstance(view, TensorView) else None


def _nested(views: Mapping[str, TensorView], paths: object) -> dict[str, Any]:
    """Return the state dict as it was before its keys were joined, as far as `paths` says."""
    root: dict[str, Any] = {}
    for name, view in views.items():
        keys = _keys(paths.get(name) if isinstance(paths, dict) else None) or [name]
        inner: Any = root
        for key in keys[:-1]:
            inner = inner.setdefault(key, {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and keys[-1] not in inner:
            inner[keys[-1]] = view
        else:
            root.setdefault(name, view)
    return root


def _keys(path: object) -> list[str]:
    """Return the keys that lead to a tensor; none where they are not a few texts and numbers."""
    if not isinstance(path, tuple) or len(path) > _MOST_KEYS:
        return []
    known = all(isinstance(key, str) or (isinstance(key, int) and 0 <= key < 1 << 32) for key in path)
    return [str(key) for key in path] if known else []


def _tensor(
    folder: Path,
    short: str,
    view: TensorView,
    described: object,
    places: Mapping[Index, _Place],
    sources: dict[str, SourceFile],
) -> RowTensor:
    element = ELEMENT_TYPES[view.dtype]
    info = TensorInfo(name=short, shape=view.shape, dtype=view.dtype, shard=METADATA, nbytes=0)
    chunks = _attributes(described).get("chunks")
    if view.fault is not None or not isinstance(chunks, list):
        return broken(info, folder, view.fault or "its chunks are not listed")
    if len(chunks) > len(places):
        return broken(info, folder, f"its {len(chunks)} chunks do not fill it: {len(places)} are in the list of places")
    pieces: list[Piece] = []
    nbytes: dict[str, int] = defaultdict(int)
    for chunk in chunks:
        fields = _attributes(chunk)
        start, shape = _index(fields.get("offsets")), _index(fields.get("sizes"))
        place = places.get(start or ())
        if start is None or shape is None or len(shape) > MAX_RANK or place is None:
            return broken(info, folder, f"one of its {len(chunks)} chunks is not in the list of places")
        size = prod(shape) * element.bits // 8
        fault = place.fault or _open(folder, place, size, sources)
        if fault is not None:
            return broken(info, folder, fault)
        inner = TensorInfo(name=short, shape=shape, dtype=view.dtype, shard=place.file, nbytes=size)
        window = SourceWindow(sources[place.file], place.offset, place.length)
        pieces.append(Piece(tensor=SavedChunk(inner, window), offset=start))
        nbytes[place.file] += size
    largest = max(nbytes, key=lambda file: (nbytes[file], file), default=METADATA)
    whole = TensorInfo(
        name=short, shape=view.shape, dtype=view.dtype, shard=largest, nbytes=prod(view.shape) * element.bits // 8
    )
    return join(whole, pieces, folder)


def _open(folder: Path, place: _Place, size: int, sources: dict[str, SourceFile]) -> str | None:
    """Make the file of a chunk ready; return what is wrong with it, if something is."""
    if place.file not in sources:
        try:
            sources[place.file] = SourceFile(require_inside(folder, place.file))
        except CheckpointError as error:
            return error.message
    available = sources[place.file].size
    if place.offset + place.length > available:
        return f"it needs bytes up to {place.offset + place.length} of {quoted(place.file)}, which has {available}"
    if size > place.length:
        return f"a chunk of {size} bytes is stored as {place.length}"
    return None
