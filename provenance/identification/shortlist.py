"""Which entries of a library are worth testing."""

from __future__ import annotations

import math

import numpy as np

from fingerprints.fingerprint.retrieval import BUCKETS, SKETCHES, RetrievalTable

LIKELY = 0.25
"""Score from which an entry is tested in any case: four standard deviations of a stranger's."""
FEWEST_TESTED, MOST_TESTED = 4, 24
ALIKE = 3
"""Entries of the same shapes that are tested whatever they score."""


def likely(table: RetrievalTable, scores: np.ndarray, shapes: str) -> list[int]:
    """Rows to test, best first: all that score well, the best in any case, and some of the same shapes.

    Parameters
    ----------
    table : RetrievalTable
        All entries.
    scores : ndarray of float64, shape (n,)
        What each scored.
    shapes : str
        Digest of the shapes that are looked for.
    """
    if not len(scores):
        return []
    count = min(len(scores), MOST_TESTED)
    best = np.argpartition(-scores, count - 1)[:count]
    order = sorted(best.tolist(), key=lambda place: (-scores[place], place))
    # Among very many strangers the best scores higher than four standard deviations.
    bar = max(LIKELY, math.sqrt(2 * math.log(len(SKETCHES) * len(scores)) / BUCKETS))
    chosen = [place for rank, place in enumerate(order) if rank < FEWEST_TESTED or scores[place] >= bar]
    return list(dict.fromkeys([*chosen, *same_shapes(table, scores, shapes)[:ALIKE]]))


def same_shapes(table: RetrievalTable, scores: np.ndarray, shapes: str) -> list[int]:
    """Rows with the same shapes, best first."""
    alike = np.array([place for place, each in enumerate(table.shapes) if each == shapes], dtype=np.int64)
    ranked: list[int] = alike[np.argsort(-scores[alike], kind="stable")].tolist()
    return ranked
