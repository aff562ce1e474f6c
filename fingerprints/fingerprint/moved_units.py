"""Units that look like units of other numbers: what a copy leaves in fingerprints whose units were permuted or signed.

Only units that face what both models have in common (tokens, positions, inputs) can be recognised wherever they stand:
no permutation of a model's own units changes their features. Their features are taken in two halves, and the units of
one side are matched with those of the other by each half alone. Were the two models independent, one matching would say
nothing about the other, and k units would be matched alike with a probability of at most 1 / k!, as in the index test.

Defeated by: another vocabulary, other inputs, a rotated stream; in a fingerprint of a wide model few of the units that
were sampled have their counterpart in the other sample (2 of 96 where a residual stream of 4096 was permuted).
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from fingerprints.anatomy import Anatomy
from fingerprints.axes import Faces, plan_axes
from fingerprints.fingerprint.fingerprint import AxisPrint, Fingerprint
from fingerprints.kernels.halves import matched_alike
from fingerprints.pairing import Pairing

FEWEST_FEATURES = 16
"""Fewer leave each half too little to tell units apart."""


def most_moved(pairing: Pairing, anatomies: tuple[Anatomy, Anatomy], prints: tuple[Fingerprint, Fingerprint]) -> int:
    """The largest number of units of one tensor that both halves of their features match alike.

    Parameters
    ----------
    pairing : Pairing
        The counterparts.
    anatomies, prints : pair
        A's and B's.
    """
    plans = plan_axes(pairing.pairs, *anatomies)
    most = 0
    with threadpool_limits(limits=1):
        for pair in pairing.pairs:
            seen = [side.seen.get(part.name) for side, part in zip(prints, (pair.a, pair.b), strict=True)]
            # Zeros or waves at the same places would make units alike without a copied value.
            if all(each is not None and (each.sparse or each.waves) for each in seen):
                continue
            for test in plans[pair.a.name].tests if pair.a.name in plans else ():
                x = prints[0].axis_of.get((pair.a.name, test.axis))
                y = prints[1].axis_of.get((pair.b.name, test.axis))
                if test.faces is Faces.SHARED and x is not None and y is not None and x.faced == y.faced:
                    most = max(most, moved_units(x, y))
    return most


def moved_units(x: AxisPrint, y: AxisPrint) -> int:
    """How many units of A both halves of the features match with one and the same unit of B, whatever its sign.

    Parameters
    ----------
    x, y : AxisPrint
        Units of both sides, seen through the same features.
    """
    width = x.values.shape[1]
    if width != y.values.shape[1] or width < FEWEST_FEATURES:
        return 0
    return int(np.count_nonzero(matched_alike(x.values, y.values)))
