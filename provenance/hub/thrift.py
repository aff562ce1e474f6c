"""How much of a model to look at where its bytes come from a server, and a budget says how many."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

from fingerprints.checkpoint import TensorInfo
from fingerprints.inventory import ROWS
from fingerprints.sampling import RUN
from fingerprints.selection import EXPERTS, MOST_VECTORS

REQUEST: Final = 1 << 19
"""Bytes that could be fetched in the time that one more request takes."""
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """`rows` of each matrix, of `layers` of each stack; `vectors` of each."""

    rows: int
    layers: int
    vectors: int = MOST_VECTORS


THRIFTY: Final = (
    Sampling(rows=128, layers=5, vectors=5),
    Sampling(rows=64, layers=3, vectors=3),
    Sampling(rows=64, layers=1, vectors=1),
)
"""What is looked at where less must do: the middle layer, which is looked at in any case, is among all of these."""


def affordable(wanted: Sampling, tensors: Mapping[str, TensorInfo], budget: int) -> Sampling:
    """The most that a budget allows, and the least that makes sense where it allows nothing.

    Parameters
    ----------
    wanted : Sampling
        What is looked at where it costs nothing.
    tensors : mapping
        The model's tensors by name.
    budget : int
        Bytes; a request counts as `REQUEST` of them.
    """
    cheaper = [each for each in THRIFTY if each.rows <= wanted.rows and each.layers <= wanted.layers]
    return next((each for each in (wanted, *cheaper) if _cost(each, tensors) <= budget), (wanted, *cheaper)[-1])


def _cost(sampling: Sampling, tensors: Mapping[str, TensorInfo]) -> int:
    """Bytes, with what requests cost, of a sample and of the few rows by which it is decided what was learned."""
    stacks: dict[str, list[TensorInfo]] = defaultdict(list)
    for name, info in tensors.items():
        stacks[_NUMBER.sub("#", name)].append(info)
    cost = 0
    for name, stack in stacks.items():
        largest = max(stack, key=lambda info: info.nbytes)
        length, numbers = (largest.shape or (1,))[0], name.count("#")
        if len(largest.shape) < 2:
            cost += min(len(stack), sampling.vectors) * (largest.nbytes + REQUEST)
            continue
        row = largest.nbytes // max(prod(largest.shape[:1]), 1)
        taken = min(len(stack), sampling.layers * EXPERTS ** max(numbers - 1, 0))
        cost += taken * _rows_cost(sampling.rows, length, row)
        cost += 0 if sampling.rows == ROWS else _rows_cost(ROWS, length, row)
    return cost


def _rows_cost(rows: int, length: int, row: int) -> int:
    runs = 1 if length <= rows + RUN else -(-rows // RUN)
    return min(rows, length) * row + runs * REQUEST
