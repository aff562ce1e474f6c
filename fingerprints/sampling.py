"""Which units of an axis are looked at: a pure function of length, count and seed, the same for every model.

Units are taken as runs of 16 neighbours, spread evenly: one read fetches a run, and neighbours can stand in for one
another where an axis is ordered. A fixed hash splits every axis in two: searches see one half, tests the other.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RUN = 16
BLOCK_START, LONG_AXIS = 256, 1024
Ints = npt.NDArray[np.int64]


class Half(IntEnum):
    """Which units may be used."""

    ALL = 0
    SEARCH = 1
    TEST = 2


def mixed(values: Ints) -> npt.NDArray[np.uint64]:
    """SplitMix64 of each value (S. Vigna, public domain reference): 64 bits that look random, the same everywhere."""
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def in_half(units: Ints, half: Half) -> npt.NDArray[np.bool_]:
    """Whether each unit belongs to a half."""
    if half is Half.ALL:
        return np.ones(len(units), dtype=np.bool_)
    return np.asarray((mixed(units) & np.uint64(1)) == np.uint64(half == Half.SEARCH))


@lru_cache(maxsize=256)
def units(length: int, count: int, *, seed: int = 0, half: Half = Half.ALL) -> Ints:
    """Sorted positions of about `count` units of an axis.

    Parameters
    ----------
    length : int
        Units that there are.
    count : int
        Units wanted; all are taken when there are no more (twice as many with a half).
    seed : int
        Moves the runs; 0 is the public default.
    half : Half
        Take only units of this half.

    Returns
    -------
    ndarray of int64
        Not to be written to: matrices of one shape share it.
    """
    wanted = count if half is Half.ALL else 2 * count
    if length <= wanted + RUN:
        chosen = np.arange(length, dtype=np.int64)
    else:
        runs = -(-wanted // RUN)
        edges = np.linspace(0, length - RUN, runs + 1)
        jitter = (mixed(np.arange(runs, dtype=np.int64) + np.int64(seed) * 1_000_003) >> np.uint64(11)) / 2.0**53
        room = np.maximum(np.diff(edges) - RUN, 0.0)
        starts = (edges[:-1] + jitter * room).astype(np.int64)
        chosen = np.unique((starts[:, None] + np.arange(RUN)[None, :]).ravel())
    chosen = chosen[in_half(chosen, half)]
    chosen.flags.writeable = False
    return chosen


def block(length: int, count: int) -> Ints:
    """Neighbouring positions of at most `count` units, which one read fetches; the same on axes of any greater length.

    Parameters
    ----------
    length, count : int
        Units that there are, and units wanted.
    """
    start = BLOCK_START if length >= LONG_AXIS else 0
    return np.arange(start, min(start + count, length), dtype=np.int64)


def spread(candidates: int, count: int, *, seed: int = 0) -> Ints:
    """Sorted positions of `count` of `candidates` (layers, experts), evenly spread, first and last included."""
    if candidates <= count:
        return np.arange(candidates, dtype=np.int64)
    if count == 1:
        return np.array([(candidates // 2 + seed) % candidates], dtype=np.int64)
    places = np.linspace(0, candidates - 1, count)
    inner = np.round(places).astype(np.int64)
    inner[1:-1] = np.clip(inner[1:-1] + (seed % 3 if seed else 0), 1, candidates - 2)
    return np.unique(inner)
