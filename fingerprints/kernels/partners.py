"""One-to-one partners among the vectors of two sides, by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MARGIN = 0.1
"""A runner-up that is this much less alike, or twice as far from equal, leaves no doubt."""
NEAR = 0.02
"""Two pairs that could exchange partners for less than this loss of cosine are in doubt."""
MOST = 2048
"""Vectors among which partners in doubt are settled together."""
_ROWS_AT_ONCE = 1024
_STAY = 1e-6
"""What a present partner counts more."""

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Match = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Partners as (row of x, row of y), by row of x; `doubtful` rows of x have another partner nearly as good."""

    pairs: tuple[Match, ...]
    doubtful: frozenset[int]
    crowded: bool = False
    """Whether too many vectors were too much alike to be settled."""


@dataclass(frozen=True, slots=True)
class _Best:
    """For each vector of one side the most similar one of the other, its cosine, and that of the runner-up."""

    index: Ints
    cosine: Floats32
    second: Floats32


def match(x: Floats32, y: Floats32, *, least: float, now: Sequence[int]) -> Matches:
    """Partners that are alike enough.

    Vectors that are each other's best by a clear margin are partners; the rest are settled together, by the
    assignment of largest total cosine.

    Parameters
    ----------
    x, y : ndarray of float32, shapes (m, k) and (n, k)
        Unit rows, or zero rows, which have no partner.
    least : float
        Smallest cosine of partners, above zero.
    now : sequence of int
        Present partner of each row of x, -1 for none: it is kept where others are no better.

    Returns
    -------
    Matches
    """
    ours, theirs = _bests(x, y)
    pairs = _clear(ours, theirs, least)
    taken = {j for _, j in pairs.items()}
    rows = [i for i in np.flatnonzero(ours.cosine >= least).tolist() if i not in pairs]
    columns = [j for j in np.flatnonzero(theirs.cosine >= least).tolist() if j not in taken]
    if max(len(rows), len(columns)) > MOST:
        return Matches(pairs=tuple(sorted(pairs.items())), doubtful=frozenset(), crowded=True)
    settled, doubtful = _settled(x, y, rows, columns, least, now)
    return Matches(pairs=tuple(sorted([*pairs.items(), *settled])), doubtful=doubtful)


def likeliest(likeness: npt.NDArray[np.float64], *, now: Sequence[int]) -> tuple[Match, ...]:
    """The assignment of largest total likeness, however small that is; nothing above 2048 vectors.

    Parameters
    ----------
    likeness : ndarray of float64, shape (m, n)
        Of vectors of two sides.
    now : sequence of int
        As for `match`.
    """
    if max(likeness.shape) > MOST:
        return ()
    first, second = _assigned(likeness, _in_place(range(len(likeness)), range(likeness.shape[1]), now))
    return tuple(zip(first.tolist(), second.tolist(), strict=True))


def _bests(x: Floats32, y: Floats32) -> tuple[_Best, _Best]:
    """Best partners from either side; the matrix of cosines is never held as a whole."""
    ours = _Best(*_none(len(x)))
    theirs = _Best(*_none(len(y)))
    every = np.arange(len(y))
    for start in range(0, len(x), _ROWS_AT_ONCE):
        c = x[start : start + _ROWS_AT_ONCE] @ y.T
        rows = np.arange(len(c))
        best = c.argmax(axis=1)
        top = c[rows, best]
        c[rows, best] = -np.inf
        block = slice(start, start + len(c))
        ours.index[block], ours.cosine[block], ours.second[block] = best, top, c.max(axis=1)
        c[rows, best] = top
        above = c.argmax(axis=0)
        top = c[above, every]
        c[above, every] = -np.inf
        np.maximum(theirs.second, np.maximum(np.minimum(top, theirs.cosine), c.max(axis=0)), out=theirs.second)
        better = top > theirs.cosine
        theirs.index[better] = above[better] + start
        theirs.cosine[better] = top[better]
    return ours, theirs


def _none(count: int) -> tuple[Ints, Floats32, Floats32]:
    lowest = np.full(count, -np.inf, dtype=np.float32)
    return np.full(count, -1, dtype=np.int64), lowest, lowest.copy()


def _clear(ours: _Best, theirs: _Best, least: float) -> dict[int, int]:
    """Pairs that are each other's best, alike enough, and without a runner-up."""
    j = ours.index
    i = np.arange(len(j))
    second = np.maximum(ours.second, theirs.second[j])
    apart = (ours.cosine - second >= MARGIN) | (2.0 * (1.0 - ours.cosine) + 1e-6 <= 1.0 - second)
    kept = np.flatnonzero((theirs.index[j] == i) & (ours.cosine >= least) & apart)
    return dict(zip(kept.tolist(), j[kept].tolist(), strict=True))


def _settled(
    x: Floats32, y: Floats32, rows: Sequence[int], columns: Sequence[int], least: float, now: Sequence[int]
) -> tuple[list[Match], frozenset[int]]:
    """The assignment of largest total cosine, and the rows whose partner could be another one."""
    if not rows or not columns:
        return [], frozenset()
    i, j = np.asarray(rows), np.asarray(columns)
    c = x[i].astype(np.float64) @ y[j].astype(np.float64).T
    first, second = _assigned(c, _in_place(rows, columns, now))
    kept = c[first, second] >= least
    first, second = first[kept], second[kept]
    chosen = c[np.ix_(first, second)]
    direct = np.diag(chosen)
    loss = direct[:, None] + direct[None, :] - chosen - chosen.T
    np.fill_diagonal(loss, np.inf)
    doubtful = loss.min(axis=1, initial=np.inf) < NEAR
    pairs = list(zip(i[first].tolist(), j[second].tolist(), strict=True))
    return pairs, frozenset(i[first][doubtful].tolist())


def _in_place(rows: Sequence[int], columns: Sequence[int], now: Sequence[int]) -> npt.NDArray[np.bool_]:
    partners = np.asarray(now, dtype=np.int64)[np.asarray(rows, dtype=np.int64)]
    return np.asarray(partners[:, None] == np.asarray(columns)[None, :])


def _assigned(likeness: npt.NDArray[np.float64], in_place: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Rows and columns of the assignment of largest total; ties stay in place."""
    from scipy.optimize import linear_sum_assignment  # deferred: its import costs a third of a second

    rows, columns = linear_sum_assignment(likeness + _STAY * in_place, maximize=True)
    return np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
