"""Changes as one model sees them, and which of them are sums of two others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from provenance.lineage.change import Change
from provenance.lineage.pair import Pair

APART: Final = 0.6
"""Cosine up to which two changes went different ways."""
ALIKE: Final = 0.25
"""Cosine from which a change may be part of another."""
MOST_ALIKE: Final = 24
LEFT: Final = 0.1
"""Of a change's squared length, what two others may leave of a mixture of theirs: rounding, and weights that differ
within a tensor."""
LEAST_SHARE: Final = 0.05
"""Of a mixture's squared length, what both parts must have."""
OTHER: Final = 0.02
"""Of a change's squared length, what one other model must leave for a second to have a part in it."""
BOTH: Final = 0.5
"""Of what the better of two parts leaves, what both together may leave."""
NOTHING: Final = 1e-9
"""Of a tensor's squared change, what another change must have there to take part in it."""
NEARLY_ONE: Final = 0.999
"""Squared cosine from which two changes are one."""

_Key = frozenset[str]
_Floats = npt.NDArray[np.float64]


class Sight:
    """Changes as one model sees them: their products, tensor by tensor, in units of the tensor's level."""

    def __init__(self, centre: str, known: Mapping[_Key, Pair], others: list[str]) -> None:
        self._known = known
        beside = {name: known[frozenset((centre, name))] for name in others}
        levels: defaultdict[str, list[float]] = defaultdict(list)
        for name in others:
            for change in _from(beside[name], centre):
                levels[change.a].append(change.level)
        self._level = {tensor: median(found) for tensor, found in levels.items()}
        squares = {name: self._squares(beside[name], centre) for name in others}
        self._own = {name: each for name, each in squares.items() if sum(each.values()) > 0.0}
        self._sizes = {name: sum(each.values()) for name, each in self._own.items()}
        self.names = sorted(self._own)

    def _squares(self, pair: Pair | None, a: str) -> dict[str, float]:
        """Squared length of each tensor's change, by its name in `a`; none where it was turned or is not whole."""
        return {
            change.a: change.size * change.squared / self._level[change.a]
            for change in (_from(pair, a) if pair is not None and not pair.transforms else ())
            if change.a in self._level
        }

    def _products(self, a: str, b: str) -> dict[str, float]:
        """By tensor; empty where the two were not compared, or call their tensors by other names."""
        one, other = self._own[a], self._own[b]
        between = self._squares(self._known.get(frozenset((a, b))), a)
        return {
            name: (one[name] + other[name] - square) / 2.0
            for name, square in between.items()
            if name in one and name in other
        }

    def size(self, name: str) -> float:
        """Squared length of a change."""
        return self._sizes.get(name, 0.0)

    def cosine(self, a: str, b: str) -> float | None:
        """Of the angle between two changes; None where they have no tensors in common, or are none."""
        if a not in self._own or b not in self._own:
            return None
        products = self._products(a, b)
        sizes = [sum(self._own[name][tensor] for tensor in products) for name in (a, b)]
        return sum(products.values()) / (sizes[0] * sizes[1]) ** 0.5 if min(sizes) > 0.0 else None

    def parts_of(self, child: str, *, most: float = LEFT, both: float = BOTH) -> _Key | None:
        """The two models whose changes add up to the child's, those that differ most if several do.

        At most `most` of it may be left, and `both` of what the better of them leaves.
        """
        own, total = self._own[child], self._sizes[child]
        beside = {name: self._products(child, name) for name in self.names if name != child}
        cosines = {name: sum(each.values()) / (total * self._sizes[name]) ** 0.5 for name, each in beside.items()}
        alike = sorted((name for name in cosines if cosines[name] >= ALIKE), key=lambda name: (-cosines[name], name))
        fits: list[tuple[float, float, _Key]] = []
        for x, y in combinations(alike[:MOST_ALIKE], 2):
            between = self._products(x, y)
            names = [name for name in own if name in beside[x] and name in beside[y] and name in between]
            rows = [(own[n], beside[x][n], beside[y][n], self._own[x][n], self._own[y][n], between[n]) for n in names]
            if sum(row[0] for row in rows) < (1.0 - LEFT) * total:
                continue
            table = np.array(rows).T
            _, _, _, xx, yy, xy = table.sum(axis=1)
            if xx > 0.0 and yy > 0.0 and xy <= APART * (xx * yy) ** 0.5:
                left, alone, shares = _fit(table)
                if alone >= OTHER * total and min(shares) >= LEAST_SHARE and left <= both * alone:
                    fits.append((left / total, float(xy / (xx * yy) ** 0.5), frozenset((x, y))))
        least = min((left for left, _, _ in fits), default=1.0)
        if least > most:
            return None
        enough = 1.5 * least + 0.2 * LEFT
        return min((each for each in fits if each[0] <= enough), key=lambda each: (each[1], sorted(each[2])))[2]


def _from(pair: Pair, a: str) -> Sequence[Change]:
    """A pair's changes as `a` sees them."""
    return pair.changes if pair.a == a else [change.turned() for change in pair.changes]


def _fit(table: _Floats) -> tuple[float, float, tuple[float, float]]:
    """What the best weights of two changes, none negative, leave of a third; what the better of them leaves alone; and
    the share of either.

    Parameters
    ----------
    table : ndarray of float64, shape (6, tensors)
        Products of the third with itself, with the first and the second; of the first and of the second with
        themselves, and with each other.
    """
    own, x, y, xx, yy, xy = table
    # What a change leaves as it was takes no part there.
    taken = [size > NOTHING * own for size in (xx, yy)]
    sizes = [np.where(each, size, 1.0) for each, size in zip(taken, (xx, yy), strict=True)]
    alone = [
        np.where(each, np.maximum(part / size, 0.0), 0.0) for each, part, size in zip(taken, (x, y), sizes, strict=True)
    ]
    split = taken[0] & taken[1] & (xy**2 < NEARLY_ONE * xx * yy)
    bottom = np.where(split, xx * yy - xy**2, 1.0)
    both = (x * yy - y * xy) / bottom, (y * xx - x * xy) / bottom
    split &= (both[0] >= 0.0) & (both[1] >= 0.0)
    nothing = np.zeros_like(own)
    ways = [tuple(np.where(split, each, 0.0) for each in both), (alone[0], nothing), (nothing, alone[1])]
    left = np.stack([own - 2 * (v * x + w * y) + v**2 * xx + 2 * v * w * xy + w**2 * yy for v, w in ways])
    best = left.argmin(axis=0)
    weights = [np.choose(best, [way[part] for way in ways]) for part in (0, 1)]
    total = float(own.sum())
    shares = float((weights[0] ** 2 * xx).sum()) / total, float((weights[1] ** 2 * yy).sum()) / total
    return float(np.maximum(left.min(axis=0), 0.0).sum()), float(left[1:].sum(axis=1).min()), shares
