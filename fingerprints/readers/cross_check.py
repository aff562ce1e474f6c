"""Whether two sets of weights in one folder are the same model: names, shapes, and a sample of the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from fingerprints.checkpoint import Array
from fingerprints.errors import CheckpointError
from fingerprints.readers.quoting import quoted
from fingerprints.readers.row_tensor import RowTensor

_TENSORS: Final = 8
_ROWS: Final = 2
_MAX_ROW: Final = 1 << 15
"""Bytes of the longest row that is compared; with the numbers above, at most 1 MiB is read of both sets together."""
_EPSILON: Final = {"F64": 2.0**-52, "F32": 2.0**-23, "F16": 2.0**-10, "BF16": 2.0**-7}
"""Spacing of the numbers just above 1."""
_SMALLEST_HALF: Final = 2.0**-24
_LARGEST_HALF: Final = 65504.0

Tensors = Mapping[str, RowTensor]


def disagreement(ours: Tensors, theirs: Tensors) -> str | None:
    """Say in what two sets of tensors differ, or return None if a sample shows no difference.

    Floating-point types of different width are compared after rounding to the narrower one, give or take the last bit.
    Names that are tied to a compared one, and sets without a name in common that are named by another convention, do
    not count as differences.
    """
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return f"none of its {len(theirs)} tensors has the name of one of the {len(ours)} chosen ones"
    for label, some, others in (("chosen", ours, theirs), ("other", theirs, ours)):
        tied = {some[name].info.storage for name in common} - {None}
        alone = [name for name in some if name not in others and some[name].info.storage not in tied]
        if alone:
            return f"{len(alone)} of {len(some)} tensors are in the {label} set only, such as {quoted(alone[0])}"
    for name in common:
        mine, other = ours[name].info, theirs[name].info
        if mine.shape != other.shape:
            return f"{quoted(name)} has the shape {mine.shape} in the chosen set and {other.shape} in the other"
    return _numbers_differ(ours, theirs, common)


def _numbers_differ(ours: Tensors, theirs: Tensors, common: list[str]) -> str | None:
    eligible = [
        name
        for name in common
        if _is_cheap(ours[name]) and _is_cheap(theirs[name]) and ours[name].info.encoding == theirs[name].info.encoding
    ]
    chosen = (
        [eligible[at] for at in np.unique(np.linspace(0, len(eligible) - 1, _TENSORS).astype(int))] if eligible else []
    )
    for name in chosen:
        mine, other = ours[name], theirs[name]
        rows = np.unique(np.linspace(0, mine.row_count - 1, _ROWS + 1).astype(np.int64)[-_ROWS:])
        try:
            left, right = mine.take(rows)[0], other.take(rows)[0]
        except CheckpointError as error:
            return error.message
        differing = _count_differing(left, right, (mine.info.dtype, other.info.dtype))
        if differing:
            return (
                f"{differing} of {left.size} numbers sampled from {quoted(name)} differ"
                f" ({mine.info.dtype} in the chosen set, {other.info.dtype} in the other)"
            )
    return None


def _is_cheap(stored: RowTensor) -> bool:
    cost = stored.cost(1)
    return cost is not None and 0 < cost <= _MAX_ROW and 0 not in stored.info.shape


def _count_differing(left: Array, right: Array, dtypes: tuple[str, str]) -> int:
    if dtypes[0] == dtypes[1]:
        same = left.reshape(-1).view(np.uint8) == right.reshape(-1).view(np.uint8)
        return int((~same.reshape(left.size, -1).all(axis=1)).sum())
    if dtypes[0] not in _EPSILON or dtypes[1] not in _EPSILON:
        return 0
    a, b = left.astype(np.float64), right.astype(np.float64)
    step = max(_EPSILON[kind] for kind in dtypes)
    floor = _SMALLEST_HALF if "F16" in dtypes else 0.0
    limit = _LARGEST_HALF if "F16" in dtypes else np.inf
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= step * np.maximum(np.abs(a), np.abs(b)) + floor
        beyond = (np.abs(a) >= limit) & (np.abs(b) >= limit) & (np.sign(a) == np.sign(b))
    return int((~(near | beyond | (np.isnan(a) & np.isnan(b)) | (a == b))).sum())
