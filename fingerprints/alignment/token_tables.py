"""The tables of two checkpoints whose rows are tokens, and how far their rows agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.alignment.axis_map import AxisMap
from fingerprints.alignment.rows import take_in_order
from fingerprints.alignment.vocabulary import LEAST, Floats32, centred, promising
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair, Pairing
from fingerprints.sampling import Half, Ints, units
from fingerprints.values import widened

COLUMNS = 64
"""Dimensions in which rows are searched for, of the half that no test looks at after a search."""
LOOKED_AT_BYTES = 1 << 25
"""Rows are compared up to so many bytes of each side."""
LEAST_LOOKED_AT = 1024
SEARCHED_BYTES = 1 << 28
"""Rows are searched for where both embeddings together are not larger."""
SEARCHED_COSINES = 1_100_000_000
MATCHES = 256
"""In a probe of two equal tables."""
RUN = 4096

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTables:
    """Counterparts with a row for every token, the one that stands for them all first; and where they are read."""

    pairs: tuple[Pair, ...]
    a: Checkpoint
    b: Checkpoint

    @property
    def units(self) -> tuple[int, int]:
        """Rows of either side."""
        return self.pairs[0].a.shape[0], self.pairs[0].b.shape[0]

    @property
    def width(self) -> int:
        """Dimensions of a row; 0 where the two sides have not the same."""
        widths = {part.shape[1] for part in (self.pairs[0].a, self.pairs[0].b)}
        return widths.pop() if len(widths) == 1 else 0

    def agreement(self, rows: AxisMap, *, seed: int = 0) -> Floats:
        """Cosine of mapped rows of the first table, each side's mean taken off; of a spread of them in large tables.

        Parameters
        ----------
        rows : AxisMap
            Which row of B each row of A stands for.
        seed : int
            Moves the spread.

        Returns
        -------
        ndarray of float64, shape (k,)
            1 where both rows are zero; empty where rows cannot be compared. Of a probe, where nothing in it agrees.
        """
        if not (self.width and len(rows.a)):
            return np.zeros(0)
        probed = self._cosines(rows, units(len(rows.a), LEAST_LOOKED_AT, seed=seed))
        most = LOOKED_AT_BYTES // (4 * self.width)
        if most <= len(probed) or len(probed) == len(rows.a) or not (probed >= LEAST).any():
            return probed
        return self._cosines(rows, units(len(rows.a), most, seed=seed))

    def _cosines(self, rows: AxisMap, chosen: Ints) -> Floats:
        pair = self.pairs[0]
        x = widened(take_in_order(self.a, pair.a.name, rows.a[chosen]))
        y = widened(take_in_order(self.b, pair.b.name, rows.b[chosen]))
        cosines = np.einsum("ij,ij->i", centred(x), centred(y), dtype=np.float64)
        return np.where(x.any(axis=1) | y.any(axis=1), cosines, 1.0)

    @property
    def searchable(self) -> bool:
        """Whether reading both tables whole, and comparing all rows with all, is worth its cost."""
        stored = sum(part.info.nbytes for part in (self.pairs[0].a, self.pairs[0].b))
        return bool(self.width) and stored <= SEARCHED_BYTES and self.units[0] * self.units[1] <= SEARCHED_COSINES

    def searched_columns(self, *, seed: int = 0) -> tuple[Floats32, Floats32] | None:
        """All rows of both sides in the dimensions that searches may see.

        None where a few rows of both, among which equal tables have `MATCHES`, show that hardly any would be found.
        """
        columns = units(self.width, COLUMNS, seed=seed, half=Half.SEARCH)
        names = ((self.a, self.pairs[0].a.name), (self.b, self.pairs[0].b.name))
        longest = max(self.units)
        few = [units(length, math.isqrt(MATCHES * longest), seed=seed) for length in self.units]
        probes = [
            widened(np.ascontiguousarray(side.take(name, rows)[:, columns]))
            for (side, name), rows in zip(names, few, strict=True)
        ]
        if not promising(probes[0], probes[1], len(few[0]) * len(few[1]) / longest):
            return None
        return _columns(*names[0], columns), _columns(*names[1], columns)


def token_tables(pairing: Pairing, a: Checkpoint, b: Checkpoint) -> TokenTables | None:
    """The counterparts of one vocabulary: of the largest embedding, and what has as many rows on both sides."""
    found = [
        pair
        for pair in pairing.pairs
        if pair.a.axes[:1] == pair.b.axes[:1] == ("vocabulary",) and min(pair.a.info.size, pair.b.info.size)
    ]
    matrices = [pair for pair in found if len(pair.a.shape) == len(pair.b.shape) == 2]
    if not matrices:
        return None
    first = max(matrices, key=lambda pair: (pair.a.role == "token_embd", pair.a.info.size))
    lengths = first.a.shape[0], first.b.shape[0]
    others = [pair for pair in found if pair is not first and (pair.a.shape[0], pair.b.shape[0]) == lengths]
    return TokenTables(pairs=(first, *others), a=a, b=b)


def _columns(checkpoint: Checkpoint, name: str, columns: Ints) -> Floats32:
    length = checkpoint.tensors[name].shape[0]
    runs = [
        widened(np.ascontiguousarray(checkpoint.rows(name, start, min(start + RUN, length))[:, columns]))
        for start in range(0, length, RUN)
    ]
    return np.concatenate(runs)
