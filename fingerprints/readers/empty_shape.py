"""Shapes of no elements with lengths that no array can have: a file of any size may claim them."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Final

from fingerprints.readers.decoded_tensor import broken
from fingerprints.readers.row_tensor import RowTensor

MOST: Final = 1 << 48
"""What the lengths of a tensor without elements multiply to at most, 0 left out; numpy's own limit is 2**63 bytes."""


def refuse_impossible(tensors: Mapping[str, RowTensor], path: Path) -> dict[str, RowTensor]:
    """Return the tensors by name; impossible ones cannot be read, with an error that names `path`."""
    return {name: _refused(tensor, path) if _is_impossible(tensor) else tensor for name, tensor in tensors.items()}


def _is_impossible(tensor: RowTensor) -> bool:
    shape = tensor.info.shape
    return 0 in shape and prod(length for length in shape if length) > MOST


def _refused(tensor: RowTensor, path: Path) -> RowTensor:
    shape = tensor.info.shape
    return broken(tensor.info, path, f"its shape {list(shape)} holds nothing, and its lengths multiply to over 2**48")
