"""What finds relatives among very many fingerprints: short vectors, a few digests, and what the shapes are.

None of it is evidence. Units, gains and biases are added up in 256 buckets with signs, so that the cosine of two such
sums is about that of the weights, whatever tensors and layers are called.

Reference: M. Charikar, K. Chen, M. Farach-Colton, Finding frequent items in data streams, ICALP 2002.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Anatomy
from fingerprints.fingerprint.digests import SAMPLED
from fingerprints.fingerprint.fingerprint import Fingerprint
from fingerprints.kernels import normal_ranks, unit_rows
from fingerprints.sampling import Ints, mixed

BUCKETS = 256
SKETCHES = ("vectors", "neurons", "others")
MARKS = 16
FEWEST_VALUES = 1024
LEVELS = 127
NO_MARK = np.uint64(0xFFFFFFFFFFFFFFFF)
_MEANINGFUL = {"vocabulary", "position", "class", "head"}
_TABLES = ("token_embd", "output")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retrieval:
    """What a library keeps at hand of each fingerprint.

    Attributes
    ----------
    sketch : ndarray of int8, shape (3, 256)
        Of gains and biases, of hidden units, of other units.
    marks : ndarray of uint64, shape (16,)
        The smallest digests of its matrices, rounded to bfloat16; padded with `NO_MARK`.
    shapes : str
        Digest of how many matrices of which shape there are, tables of tokens left out.
    layout : str
        Digest of names and shapes.
    """

    sketch: npt.NDArray[np.int8]
    marks: npt.NDArray[np.uint64]
    shapes: str
    layout: str


def retrieval_of(fingerprint: Fingerprint, anatomy: Anatomy) -> Retrieval:
    """Sum a fingerprint up.

    Parameters
    ----------
    fingerprint : Fingerprint
        The evidence.
    anatomy : Anatomy
        Of its headers.
    """
    sums = np.zeros((len(SKETCHES), BUCKETS))
    for vector in fingerprint.vectors:
        axes = anatomy.parts[vector.name].axes
        if not (axes and axes[0] in _MEANINGFUL):
            sums[0] += _sketched(normal_ranks(vector.values)) / np.sqrt(len(vector.values))
    for each in fingerprint.axes:
        part = anatomy.parts[each.name]
        unknown = not part.axes or len(part.axes) <= each.axis
        hidden = unknown or part.axes[each.axis] == "neuron"
        rows, _ = unit_rows(each.values)
        sums[1 if hidden else 2] += _sketched(rows.reshape(-1)) / np.sqrt(len(rows))
    peak = np.abs(sums).max(axis=1, keepdims=True)
    sketch = np.rint(np.divide(sums * LEVELS, peak, out=np.zeros_like(sums), where=peak > 0)).astype(np.int8)
    return Retrieval(sketch=sketch, marks=_marks(fingerprint), **layout_digests(fingerprint, anatomy))


def layout_digests(fingerprint: Fingerprint, anatomy: Anatomy) -> dict[str, str]:
    """`shapes` of matrices but tables of tokens, which no folding changes, and `layout`.

    Parameters
    ----------
    fingerprint, anatomy
        The model.
    """
    aside = fingerprint.inventory.set_aside
    matrices = Counter(
        part.shape
        for name, part in anatomy.parts.items()
        if len(part.shape) > 1 and name not in aside and part.role not in _TABLES
    )
    layout = sorted((info.name, info.shape) for name, info in fingerprint.tensors.items() if name not in aside)
    return {"shapes": _digest(repr(sorted(matrices.items()))), "layout": _digest(repr(layout))}


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _sketched(values: Floats) -> Floats:
    bucket, sign = _places(len(values))
    return np.bincount(bucket, weights=values * sign, minlength=BUCKETS).astype(np.float64)


@cache
def _places(length: int) -> tuple[Ints, Floats]:
    bits = mixed(np.arange(length, dtype=np.int64) + np.int64(1 << 40))
    return (bits % np.uint64(BUCKETS)).astype(np.int64), np.where(bits >> np.uint64(63), 1.0, -1.0)


def _marks(fingerprint: Fingerprint) -> npt.NDArray[np.uint64]:
    found = sorted(
        int.from_bytes(seen.digests[-SAMPLED:], "little")
        for name, seen in fingerprint.seen.items()
        if seen.sampled >= FEWEST_VALUES and not seen.not_learned and name in fingerprint.inventory.learned
    )[:MARKS]
    return np.array(found + [int(NO_MARK)] * (MARKS - len(found)), dtype=np.uint64)


def _full_buckets(sketch: npt.NDArray[np.float32]) -> float:
    """In how many buckets normal sums would be spread as these are: by their fourth moment, which is 3 for those."""
    squares = sketch.astype(np.float64) ** 2
    fourth = float(squares @ squares)
    return max(min(3 * float(squares.sum()) ** 2 / fourth, BUCKETS), 1.0) if fourth > 0 else BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetrievalTable:
    """The retrieval features of many fingerprints, one row each.

    Attributes
    ----------
    sketches : ndarray of int8, shape (n, 3, 256)
    marks : ndarray of uint64, shape (n, 16)
    shapes, layouts : tuple of str
    """

    sketches: npt.NDArray[np.int8]
    marks: npt.NDArray[np.uint64]
    shapes: tuple[str, ...]
    layouts: tuple[str, ...]

    def scores(self, query: Retrieval) -> Floats:
        """How much each row resembles the query, at least 0: the largest cosine of a sketch, or the share of marks.

        The cosine of a sketch with few full buckets is lowered, so that strangers scatter by 1/16 in each.

        Parameters
        ----------
        query : Retrieval
            What is looked for.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        best = np.zeros(len(self.sketches))
        for place in range(len(SKETCHES)):
            wanted = query.sketch[place].astype(np.float32)
            length = float(np.linalg.norm(wanted)) * math.sqrt(BUCKETS / _full_buckets(wanted))
            for start in range(0, len(best), 8192):
                rows = self.sketches[start : start + 8192, place].astype(np.float32)
                lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows)) * np.float32(length)
                cosines = np.divide(rows @ wanted, lengths, out=np.zeros(len(rows), np.float32), where=lengths > 0)
                np.maximum(best[start : start + 8192], cosines, out=best[start : start + 8192])
        marks = query.marks[query.marks != NO_MARK]
        if len(marks):
            best = np.maximum(best, np.isin(self.marks, marks).sum(axis=1) / len(marks))
        return best
