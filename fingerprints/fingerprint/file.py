"""Fingerprint files: one safetensors file whose bytes are a pure function of the fingerprint.

Arrays lie one after another in a few tensors; `header`, compressed JSON, says what is what. Newer files may hold more
tensors and more keys, which older versions leave alone; `version` rises when that is not enough.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from fingerprints.checkpoint import Checkpoint, Encoding, TensorInfo
from fingerprints.errors import CorruptCheckpoint, LimitExceeded, UnsupportedFormat
from fingerprints.fingerprint.fields import Fields
from fingerprints.fingerprint.fingerprint import SPREAD, AxisPrint, Fingerprint, Seen, VectorPrint
from fingerprints.fingerprint.stored_arrays import HINT, StoredArrays
from fingerprints.inventory import Inventory
from fingerprints.ordering import Order
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.quoting import quoted
from fingerprints.sampling import Ints

FORMAT: Final = "fingerprint"
VERSION: Final = 1
KEY: Final = "provenance_fingerprint"
"""The one entry of the container's metadata: the version."""
MOST_HEADER: Final = 1 << 27
MOST_UNITS: Final = 1 << 16


def is_fingerprint(checkpoint: Checkpoint) -> bool:
    """Whether an opened file is a fingerprint, of whatever version."""
    return KEY in checkpoint.origin.metadata


def encode(fingerprint: Fingerprint) -> bytes:
    """A fingerprint as the bytes of a safetensors file."""
    names = {name: place for place, name in enumerate(fingerprint.tensors)}
    header = {
        "method": fingerprint.method,
        "claims": dict(fingerprint.claims),
        "tensors": [
            [i.name, i.dtype, list(i.shape), i.nbytes, *([] if i.encoding is None else [_scheme(i.encoding)])]
            for i in fingerprint.tensors.values()
        ],
        "copies": dict(sorted(fingerprint.inventory.copies.items())),
        "set_aside": dict(sorted(fingerprint.inventory.set_aside.items())),
        "unreadable": dict(sorted(fingerprint.inventory.unreadable.items())),
        "seen": [
            [names[name], seen.sampled, len(seen.digests), len(seen.whole), seen.not_learned, seen.sparse, seen.waves]
            for name, seen in fingerprint.seen.items()
        ],
        "axes": [
            [
                names[each.name],
                each.axis,
                _runs(each.positions),
                each.faced,
                each.order.value,
                each.folded,
                each.values.shape[1],
            ]
            for each in fingerprint.axes
        ],
        "vectors": [[names[each.name], _runs(each.positions)] for each in fingerprint.vectors],
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    entries = [np.concatenate([each.values, each.spread]) for each in fingerprint.vectors]
    scales = [np.float32(np.abs(each).max(initial=0.0)) or np.float32(1) for each in entries]
    halves = [(each / scale).astype(np.float16) for each, scale in zip(entries, scales, strict=True)]
    digests = b"".join(seen.digests + seen.whole for seen in fingerprint.seen.values())
    arrays = {
        "header": np.frombuffer(zlib.compress(text.encode(), 9), dtype=np.uint8),
        "digests": np.frombuffer(digests, dtype=np.uint8),
        "values": _flat([each.values for each in fingerprint.axes], np.int8),
        "norms": _flat([each.norms for each in fingerprint.axes], np.float32),
        "entries": _flat(halves, np.float16),
        "scales": np.array(scales, dtype=np.float32),
    }
    return save(arrays, metadata={KEY: str(VERSION)})


def _scheme(encoding: Encoding) -> list[Any]:
    return [encoding.scheme, encoding.bits, encoding.group_size, encoding.fraction_bits]


def _flat(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([array.reshape(-1) for array in arrays]) if arrays else np.zeros(0, dtype=dtype)


def _runs(positions: Ints) -> list[list[int]]:
    """Ascending positions as runs [first, one past the last]."""
    if not len(positions):
        return []
    breaks = np.flatnonzero(np.diff(positions) != 1)
    firsts = positions[np.concatenate([[0], breaks + 1])]
    lasts = positions[np.concatenate([breaks, [len(positions) - 1]])] + 1
    return [[int(first), int(last)] for first, last in zip(firsts, lasts, strict=True)]


def decode(checkpoint: Checkpoint) -> Fingerprint:
    """The fingerprint that an opened safetensors file holds.

    Parameters
    ----------
    checkpoint : Checkpoint
        A file for which `is_fingerprint` holds.

    Raises
    ------
    UnsupportedFormat
        When it was written by a version that this one cannot read.
    CorruptCheckpoint
        When it contradicts itself.
    """
    path = checkpoint.origin.path
    version = checkpoint.origin.metadata[KEY]
    if version != str(VERSION):
        raise UnsupportedFormat(
            f"{quoted(str(path))} is a fingerprint of version {quoted(version)}, and this program reads {VERSION}",
            path=path,
            hint=f"update the program, or t{HINT[1:]}",
        )
    fields = Fields(_header(checkpoint, path), path=path, hint=HINT)
    tensors = _tensors(fields)
    names = list(tensors)
    whole = StoredArrays(checkpoint, path)
    seen = {}
    for row in fields.rows("seen", 7):
        name = names[row.whole_number(0, len(names))]
        sampled, short, long = (row.whole_number(place, 1 << 62) for place in (1, 2, 3))
        seen[name] = Seen(
            sampled=sampled,
            digests=whole.take("digests", short).tobytes(),
            whole=whole.take("digests", long).tobytes(),
            not_learned=row.text(4),
            sparse=row.flag(5),
            waves=row.flag(6),
        )
    axes = tuple(_axis(row, names, whole) for row in fields.rows("axes", 7))
    vectors = tuple(_vector(row, names, whole) for row in fields.rows("vectors", 2))
    copies, aside, unreadable = (fields.texts(key, set(names)) for key in ("copies", "set_aside", "unreadable"))
    learned = {
        name: info.size
        for name, info in tensors.items()
        if name not in copies and name not in aside and name not in unreadable
    }
    return Fingerprint(
        tensors=tensors,
        inventory=Inventory(learned=learned, set_aside=aside, copies=copies, unreadable=unreadable),
        seen=seen,
        axes=axes,
        vectors=vectors,
        method=fields.text("method"),
        claims=fields.claims(),
    )


def _tensors(fields: Fields) -> dict[str, TensorInfo]:
    tensors: dict[str, TensorInfo] = {}
    for row in fields.rows("tensors", 4, most=5):
        encoding = None
        if len(row) == 5:
            scheme = row.inner(4, 4)
            bits = scheme.number(1)
            encoding = Encoding(
                scheme=scheme.text(0), bits=bits, group_size=scheme.optional(2), fraction_bits=scheme.optional(3)
            )
        name = row.text(0)
        tensors[name] = TensorInfo(
            name=name,
            dtype=row.text(1),
            shape=row.shape(2),
            shard="",
            nbytes=row.whole_number(3, 1 << 62),
            encoding=encoding,
        )
    return tensors


def _axis(row: Fields, names: Sequence[str], whole: StoredArrays) -> AxisPrint:
    positions = row.positions(2, MOST_UNITS)
    width = row.whole_number(6, MOST_UNITS)
    order = row.text(4)
    if order not in set(Order):
        raise row.fault(f"an order is {quoted(order)}")
    return AxisPrint(
        name=names[row.whole_number(0, len(names))],
        axis=row.whole_number(1, 2),
        positions=positions,
        faced=row.text(3),
        order=Order(order),
        folded=row.flag(5),
        values=whole.take("values", len(positions) * width).reshape(len(positions), width),
        norms=whole.take("norms", len(positions)),
    )


def _vector(row: Fields, names: Sequence[str], whole: StoredArrays) -> VectorPrint:
    positions = row.positions(1, MOST_UNITS)
    scale = whole.take("scales", 1)[0]
    values = whole.take("entries", len(positions) + SPREAD).astype(np.float32) * scale
    name = names[row.whole_number(0, len(names))]
    return VectorPrint(name=name, positions=positions, values=values[:-SPREAD], spread=values[-SPREAD:])


def _header(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    info = checkpoint.tensors.get("header")
    if info is None or info.dtype != "U8" or len(info.shape) != 1:
        raise CorruptCheckpoint(f"the fingerprint {quoted(str(path))} has no header", path=path, hint=HINT)
    machine = zlib.decompressobj()
    try:
        text = machine.decompress(checkpoint.rows("header", 0, info.shape[0]).tobytes(), MOST_HEADER)
    except zlib.error as error:
        raise CorruptCheckpoint(
            f"the header of the fingerprint {quoted(str(path))} cannot be decompressed: {error}", path=path, hint=HINT
        ) from error
    if machine.unconsumed_tail:
        raise LimitExceeded(
            f"the header of the fingerprint {quoted(str(path))} has more than {MOST_HEADER} bytes",
            path=path,
            hint=HINT,
            limit=MOST_HEADER,
        )
    return parse_object(text, path=path, what="the header", hint=HINT)
