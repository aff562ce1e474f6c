"""Units of one axis matched by features that both sides have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fingerprints.alignment.axis_map import AxisMap, Floats32, Spare
from fingerprints.alignment.unit_features import scaled_rows
from fingerprints.kernels.index_test import FEWEST_UNITS
from fingerprints.kernels.matching import SAME, chance_level, mutual_matches
from fingerprints.ordering import Order, order_of
from fingerprints.sampling import Ints, units

HELD_OUT = 4
"""One feature in so many is kept from the search, to say how alike matched units are."""
FEWEST_FEATURES = 32
ENOUGH_FEATURES = 256
"""With fewer features none is kept from the search."""
LIKE_COPIES = 0.9
NEXT_TO_NOTHING = 0.15
"""Of the size of matched units: what units that started as zero are at most after a change by a tenth."""
MOST_COMPARED = 512
"""Matched units that chance is judged on."""
MOST_UNITS = 4096
"""Units of a longer axis are compared in blocks, and may be sampled."""
SOUGHT = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facing:
    """Features of the units of both sides, in the same order: shapes (units of A, k) and (units of B, k).

    `signed` is False where the sign of a unit is free (up and down of a gated MLP).
    """

    a: Floats32
    b: Floats32
    signed: bool = True


def match_units(parts: Sequence[Facing], *, sample: bool = False) -> AxisMap | None:
    """Match the units that the given features describe, all parts together.

    Parameters
    ----------
    parts : sequence of Facing
        Parts of one axis: equally many units on each side in all of them.
    sample : bool
        Of a long axis, match a sample of the shorter side's units with all of the other's.

    Returns
    -------
    AxisMap or None
        None where features are too few or no unit has a counterpart beyond chance. `effect` is the median cosine of
        matched units on features that were held out.
    """
    features = sum(part.a.shape[1] for part in parts)
    if features < FEWEST_FEATURES:
        return None
    apart = features >= ENOUGH_FEATURES
    search = [_split(part, held=False) for part in parts] if apart else parts
    lengths = search[0].a.shape[0], search[0].b.shape[0]
    long = max(lengths) > MOST_UNITS
    few = units(min(lengths), SOUGHT) if long and sample else None
    if long:
        rows, columns = _in_blocks(search, np.arange(min(lengths), dtype=np.int64) if few is None else few)
    else:
        rows, columns = mutual_matches(_similarity(search))
    if len(rows) < FEWEST_UNITS:
        return None
    held = [_split(part, held=True) for part in parts] if apart else parts
    some = slice(None, None, max(1, len(rows) // MOST_COMPARED))
    others = _similarity([Facing(a=p.a[rows[some]], b=p.b[columns[some]], signed=p.signed) for p in held])
    return AxisMap(
        a=rows,
        b=columns,
        units_a=lengths[0],
        units_b=lengths[1],
        sought=None if few is None else len(few),
        effect=float(np.median(_matched(held, rows, columns))),
        noise=min(SAME, chance_level(others)),
        order=_order(parts),
        spare=_spare(parts, rows, columns, sampled=few is not None),
    )


def _in_blocks(parts: Sequence[Facing], few: Ints) -> tuple[Ints, Ints]:
    """Units `few` of the shorter side and those of the other that they are, each the other's best of all."""
    swapped = parts[0].a.shape[0] > parts[0].b.shape[0]
    sides = [Facing(a=p.b, b=p.a, signed=p.signed) for p in parts] if swapped else list(parts)
    found = [_best(sides, few[start : start + SOUGHT]) for start in range(0, len(few), SOUGHT)]
    short, long = (np.concatenate(each) for each in zip(*found, strict=True))
    if not swapped:
        return short, long
    order = np.argsort(long)
    return long[order], short[order]


def _best(parts: Sequence[Facing], few: Ints) -> tuple[Ints, Ints]:
    """Units `few` of A and those of B that they are."""
    c = _similarity([replace(part, a=part.a[few]) for part in parts])
    best = c.argmax(axis=1)
    back = _similarity([replace(part, b=part.b[best]) for part in parts]).argmax(axis=0)
    mutual = (back == few) & (c[np.arange(len(few)), best] > min(SAME, chance_level(c)))
    return few[mutual], best[mutual].astype(np.int64)


def _spare(parts: Sequence[Facing], rows: Ints, columns: Ints, *, sampled: bool) -> Spare | None:
    """What the longer side has beyond the matched units; of a spread of its units, where only a sample was matched."""
    if parts[0].a.shape[0] == parts[0].b.shape[0]:
        return None
    wide = int(parts[0].b.shape[0] > parts[0].a.shape[0])
    own = [Facing(a=side, b=side, signed=p.signed) for p in parts for side in ((p.a, p.b)[wide],)]
    matched = (rows, columns)[wide]
    left = np.setdiff1d(np.arange(own[0].a.shape[0]), matched)
    if sampled:
        left = _unmatched(parts, left[:: max(1, len(left) // MOST_COMPARED)], wide)
    if not len(left):
        return None
    if max(_size(part.a[left]) / max(_size(part.a[matched]), 1e-30) for part in own) < NEXT_TO_NOTHING:
        return Spare.ZERO
    few = left[:: max(1, len(left) // MOST_COMPARED)]
    others = np.arange(len(own[0].a), dtype=np.int64) if sampled else matched
    c = _similarity([Facing(a=part.a[few], b=part.a[others], signed=part.signed) for part in own])
    alike = np.where(few[:, None] == others[None, :], -1.0, c).max(axis=1)
    return Spare.COPIES if float(np.median(alike)) > LIKE_COPIES else Spare.OTHER


def _size(values: Floats32) -> float:
    """Median norm of the rows."""
    return float(np.median(np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))))


def _unmatched(parts: Sequence[Facing], few: Ints, wide: int) -> Ints:
    """Of some units of the longer side, those that none of the shorter resembles, or not as their best."""
    sides = [Facing(a=(p.a, p.b)[wide], b=(p.b, p.a)[wide], signed=p.signed) for p in parts]
    return np.setdiff1d(few, _best(sides, few)[0])


def agreement(read: Sequence[Facing], passed: Sequence[Facing]) -> float:
    """Share of the shorter side's units whose best counterpart by what they read is also that by what they pass on.

    Of two sides of equal length it is the smaller share, so that the order of the sides does not matter.
    """
    tables = [_similarity(parts) for parts in (read, passed)]
    lengths = tables[0].shape
    shares = [
        float(np.mean(tables[0].argmax(axis=axis) == tables[1].argmax(axis=axis)))
        for axis in (0, 1)
        if lengths[1 - axis] == min(lengths)
    ]
    return min(shares)


def _order(parts: Sequence[Facing]) -> Order:
    """The milder of both sides' orders, each the strongest of its parts: units sorted by any of them are sorted."""
    strength = [Order.FREE, Order.TREND, Order.SERIAL].index
    sides = [[part.a for part in parts], [part.b for part in parts]]
    orders = [
        max((order_of(values, np.arange(len(values), dtype=np.int64)) for values in side), key=strength)
        for side in sides
    ]
    return min(orders, key=strength)


def _split(part: Facing, *, held: bool) -> Facing:
    mask = (np.arange(part.a.shape[1]) % HELD_OUT == 0) == held
    return Facing(a=part.a[:, mask], b=part.b[:, mask], signed=part.signed)


def _similarity(parts: Sequence[Facing]) -> Floats32:
    """Mean cosine over parts, each weighted by the root of its number of features."""
    total = np.zeros((parts[0].a.shape[0], parts[0].b.shape[0]), np.float32)
    weight = 0.0
    for part in parts:
        share = float(np.sqrt(part.a.shape[1]))
        c = scaled_rows(part.a) @ scaled_rows(part.b).T
        total += np.float32(share) * (c if part.signed else np.abs(c))
        weight += share
    return total / np.float32(max(weight, 1e-12))


def _matched(parts: Sequence[Facing], rows: Ints, columns: Ints) -> np.ndarray:
    total, weight = np.zeros(len(rows)), 0.0
    for part in parts:
        share = float(np.sqrt(part.a.shape[1]))
        c = np.einsum("ij,ij->i", scaled_rows(part.a[rows]), scaled_rows(part.b[columns]), dtype=np.float64)
        total += share * (c if part.signed else np.abs(c))
        weight += share
    return total / max(weight, 1e-12)
