"""Tensor-parallel slices, `consolidated.00.pth` to `consolidated.NN.pth`, put together to whole tensors.

Format: each file holds every name, with 1/N of the tensor: of the output axis for column-parallel matrices, of the
input axis for row-parallel ones, and the whole of what is replicated; the token embedding is cut along the residual
axis in Llama 1 and 2, along the vocabulary in Llama 3.
https://github.com/meta-llama/llama/blob/main/llama/model.py and
https://github.com/meta-llama/llama-models/blob/main/models/llama3/model.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from fingerprints.checkpoint import TensorInfo
from fingerprints.errors import CheckpointError, CorruptCheckpoint
from fingerprints.readers.decoded_tensor import broken
from fingerprints.readers.joined_tensor import Piece, join
from fingerprints.readers.packed.claims import claimed_number
from fingerprints.readers.quoting import quoted
from fingerprints.readers.row_tensor import RowTensor

_BY_OUTPUT: Final = re.compile(r"(^|\.)(wq|wk|wv|w1|w3|output)\.weight$")
_BY_INPUT: Final = re.compile(r"(^|\.)(wo|w2)\.weight$")
_FINAL_NORM: Final = "norm.weight"
_OUT: Final = re.compile(r"^(text_model\.)?layers\.\d+\.attention\.wo\.weight$")
"""Output projections of the language model; a vision tower beside it has a width of its own."""
_MAX_COMPARED: Final = 1 << 20
"""Bytes of the largest slice that is read to find out whether it is replicated."""
_HINT: Final = "the slices do not belong together or some are missing; download all of them again"

Tensors = Mapping[str, RowTensor]


def join_slices(folder: Path, slices: Sequence[Tensors], params: Mapping[str, object]) -> dict[str, RowTensor]:
    """Return whole tensors by name; one whose slices do not fit together is there, and cannot be read.

    One slice is the whole model if its widths agree. `params` (params.json, a claim) is only asked how many slices
    there should be.

    Raises
    ------
    CorruptCheckpoint
        When the final norm, which every slice repeats, differs, or slices are missing.
    """
    names = dict.fromkeys(name for tensors in slices for name in tensors)
    width = _width(folder, slices)
    _require_all(folder, slices, width, params)
    return {
        name: _join(folder, name, [tensors[name] for tensors in slices if name in tensors], len(slices), width)
        for name in names
    }


def _width(folder: Path, slices: Sequence[Tensors]) -> int | None:
    """Return the length of the residual axis: that of the final norm, which must be the same in every slice."""
    norms = [tensors[_FINAL_NORM] for tensors in slices if _FINAL_NORM in tensors]
    if len(norms) != len(slices) or len(norms[0].info.shape) != 1:
        return None
    if len(norms) > 1 and not _are_equal(norms):
        raise CorruptCheckpoint(
            f"the {len(slices)} slices in {quoted(str(folder))} are not of one model: {quoted(_FINAL_NORM)} differs",
            path=folder,
            hint=_HINT,
            actual=len(slices),
        )
    return norms[0].info.shape[0]


def _require_all(folder: Path, slices: Sequence[Tensors], width: int | None, params: Mapping[str, object]) -> None:
    """Require as many slices as the first output projection needs to have the inner width that is claimed.

    Without a claim that is the width of the residual axis. A model that was never cut may have another: one slice is
    refused only where several of it make up the width exactly.
    """
    first = next((tensor for name, tensor in slices[0].items() if _OUT.match(name)), None)
    heads, length = claimed_number(params, "n_heads"), claimed_number(params, "head_dim")
    inner = heads * length if heads and length else width or claimed_number(params, "dim")
    if first is None or inner is None or len(first.info.shape) != 2 or not first.info.shape[1]:
        return
    needed, rest = divmod(inner, first.info.shape[1])
    is_whole = len(slices) == 1 and (rest > 0 or needed == 0)
    if not is_whole and (needed != len(slices) or rest):
        raise CorruptCheckpoint(
            f"{'1 slice is' if len(slices) == 1 else f'{len(slices)} slices are'} in {quoted(str(folder))}, and"
            f" {quoted(first.info.name)} of"
            f" {first.info.shape[1]} columns needs {needed} to have {inner}",
            path=folder,
            hint=_HINT,
            limit=needed,
            actual=len(slices),
        )


def _join(folder: Path, name: str, parts: list[RowTensor], expected: int, width: int | None) -> RowTensor:
    """Put one tensor together; one that is in a single slice stays as it is."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0].info
    if any(part.info.shape != first.shape or part.info.dtype != first.dtype for part in parts):
        kinds = sorted({f"{part.info.dtype} {part.info.shape}" for part in parts})
        return broken(_whole(parts, None), folder, f"its {len(parts)} slices differ: {', '.join(kinds[:4])}")
    if len(parts) != expected:
        return broken(_whole(parts, None), folder, f"it is in {len(parts)} of {expected} slices")
    if _is_replicated(name, parts, width):
        return parts[0]
    axis = _axis(name, first.shape, len(parts), width)
    info = _whole(parts, axis)
    if axis is None:
        return broken(info, folder, f"it is not known how its {len(parts)} slices of {first.shape} lie")
    step = first.shape[axis]
    offsets = [tuple(at * step if place == axis else 0 for place in range(len(first.shape))) for at in range(expected)]
    pieces = [Piece(tensor=part, offset=offset) for part, offset in zip(parts, offsets, strict=True)]
    return join(info, pieces, folder)


def _is_replicated(name: str, parts: list[RowTensor], width: int | None) -> bool:
    """Whether every slice holds the whole: norms and tables by shape and name, small tensors if they are equal."""
    shape = parts[0].info.shape
    if not shape or (len(shape) == 1 and (shape[0] == width or name == "rope.freqs")):
        return True
    known = _BY_OUTPUT.search(name) or _BY_INPUT.search(name) or name == "tok_embeddings.weight"
    return not known and parts[0].info.nbytes <= _MAX_COMPARED and _are_equal(parts)


def _axis(name: str, shape: tuple[int, ...], count: int, width: int | None) -> int | None:
    """Return the axis that was cut: by role; else the one beside the residual axis, which is `width` long if whole."""
    if len(shape) == 1:
        return 0
    if _BY_OUTPUT.search(name):
        return 0
    if _BY_INPUT.search(name):
        return 1
    if width is None:
        return None
    whole = [axis for axis, length in enumerate(shape) if length == width]
    if len(shape) == 2 and len(whole) == 1:
        return 1 - whole[0]
    cut = [axis for axis, length in enumerate(shape) if length * count == width]
    return cut[0] if not whole and len(cut) == 1 else None


def _whole(parts: list[RowTensor], axis: int | None) -> TensorInfo:
    """Describe the tensor that the slices make up along `axis`; None if that is not known."""
    first = parts[0].info
    shape = tuple(length * (len(parts) if at == axis else 1) for at, length in enumerate(first.shape))
    return replace(first, shape=shape, nbytes=sum(part.info.nbytes for part in parts), storage=None)


def _are_equal(parts: list[RowTensor]) -> bool:
    """Whether small tensors hold the same bytes."""
    first = parts[0].info
    if any((part.info.shape, part.info.dtype) != (first.shape, first.dtype) for part in parts):
        return False
    if first.nbytes > _MAX_COMPARED:
        return False
    try:
        found = [np.concatenate([block for block, _ in part.blocks(_MAX_COMPARED)]).tobytes() for part in parts]
    except (CheckpointError, ValueError):
        return False
    return all(each == found[0] for each in found)
