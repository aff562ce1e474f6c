"""What two counterparts are to each other, value by value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fingerprints.kernels.block_sums import Sum, Sums
from fingerprints.kernels.spectrum import Spectrum
from fingerprints.pairing import Pair
from fingerprints.signals.tensor_digest import Equality


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatistics:
    """All values of one tensor of A beside those of its counterpart in B.

    Attributes
    ----------
    pair : Pair
        The counterparts, of equal shapes.
    elements : int
        Numbers compared; a complex one counts as two.
    cosine : float or None
        Between both as vectors; None where one is all zeros.
    relative_change : float or None
        |B - A| / |A|; None where A is all zeros.
    max_abs_change : float
        Largest |b - a|.
    max_at : tuple of int or None
        Where that is; None where nothing changed.
    equal_share : float
        Share of elements with equal values: zeros of either sign are equal, and two NaNs.
    sign_flips : float
        Share that are positive on one side and negative on the other.
    zeros_a, zeros_b, zeros_both : float
        Share of zeros on either side, and at the same places.
    bit_distance : float or None
        Mean number of stored bits in which an element differs (arXiv 2505.06252); None where the two are stored in
        different types or packed.
    nonfinite_a, nonfinite_b : int
        Infinities and NaNs, which norms and changes leave out together with their counterparts.
    equality : Equality
        For verdicts: equal after rounding to the narrower type.
    spectrum : Spectrum or None
        Singular values of B - A, where they were asked for and something of finite size changed.
    """

    pair: Pair
    elements: int
    cosine: float | None
    relative_change: float | None
    max_abs_change: float
    max_at: tuple[int, ...] | None
    equal_share: float
    sign_flips: float
    zeros_a: float
    zeros_b: float
    zeros_both: float
    bit_distance: float | None
    nonfinite_a: int
    nonfinite_b: int
    equality: Equality
    spectrum: Spectrum | None = None


def pair_statistics(pair: Pair, elements: int, total: Sums, at: int, equality: Equality) -> PairStatistics:
    """From the sums over all elements to statistics.

    Parameters
    ----------
    pair : Pair
        The counterparts.
    elements : int
        Numbers added up, at least one.
    total : ndarray of float64, shape (len(Sum),)
        Their sums.
    at : int
        Flat index of the largest change.
    equality : Equality
        Counted beside the sums.
    """
    xx, yy, xy, dd = (float(total[place]) for place in (Sum.XX, Sum.YY, Sum.XY, Sum.DD))
    norms = math.sqrt(xx) * math.sqrt(yy)
    one_type = pair.a.info.dtype == pair.b.info.dtype
    packed = pair.a.info.encoding is not None or pair.b.info.encoding is not None
    peak = float(total[Sum.PEAK])
    per_element = elements // max(pair.a.info.size, 1)
    return PairStatistics(
        pair=pair,
        elements=elements,
        cosine=min(max(xy / norms, -1.0), 1.0) if norms > 0 else None,
        relative_change=math.sqrt(dd) / math.sqrt(xx) if xx > 0 else None,
        max_abs_change=peak,
        max_at=_place(at // per_element, pair.a.shape) if peak > 0 else None,
        equal_share=float(total[Sum.EQUAL]) / elements,
        sign_flips=float(total[Sum.FLIPS]) / elements,
        zeros_a=float(total[Sum.ZEROS_A]) / elements,
        zeros_b=float(total[Sum.ZEROS_B]) / elements,
        zeros_both=float(total[Sum.ZEROS_BOTH]) / elements,
        bit_distance=float(total[Sum.BITS]) / elements if one_type and not packed else None,
        nonfinite_a=int(total[Sum.NONFINITE_A]),
        nonfinite_b=int(total[Sum.NONFINITE_B]),
        equality=equality,
    )


def _place(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(index) for index in np.unravel_index(flat, shape)) if shape else ()
