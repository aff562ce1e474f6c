"""Rows of queries and keys whose rotary pairs lie side by side, in the order that transformers has them.

Within a head of d rows, transformers has the first parts of all rotary pairs, then the second parts; Meta's models and
llama.cpp's files have the parts of a pair side by side. Row h·d + s·d/2 + i of transformers (head h, part s of pair i)
is row h·d + 2i + s of what is stored.

Source: `permute` in
https://github.com/huggingface/transformers/blob/main/src/transformers/models/llama/convert_llama_weights_to_hf.py
"""

from __future__ import annotations

from functools import partial

from fingerprints.checkpoint import Array
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows
from fingerprints.readers.row_tensor import RowTensor, take_in_any_order


def may_be_heads(tensor: RowTensor, heads: int) -> bool:
    """Whether the rows of a tensor are `heads` heads of a whole number of pairs."""
    return bool(tensor.info.shape) and heads > 0 and tensor.row_count > 0 and tensor.row_count % (2 * heads) == 0


def in_order(tensor: RowTensor, heads: int) -> RowTensor:
    """Return the tensor with its rows in the order of transformers.

    Parameters
    ----------
    tensor : RowTensor
        Queries or keys, of `heads` times an even number of rows.
    heads : int
        Heads that the rows belong to.
    """
    size = tensor.row_count // heads
    return DecodedTensor(info=tensor.info, decode=partial(_take, tensor, size), row_bytes=tensor.cost(1))


def stored_row(rows: Rows, size: int) -> Rows:
    """Return where the rows of transformers are stored, for heads of `size` rows."""
    within = rows % size
    return rows - within + 2 * (within % (size // 2)) + within // (size // 2)


def _take(tensor: RowTensor, size: int, indices: Rows) -> tuple[Array, int]:
    return take_in_any_order(tensor, stored_row(indices, size))
