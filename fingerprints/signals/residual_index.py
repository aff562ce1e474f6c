"""Signal `residual_index`: dimensions of the residual stream keep their index.

Tier 1 stacks, for every dimension, the ranks of its norm gains and of the biases written to it, and of its column
norms in the matrices that are read anyway; tier 2 takes its entries in those matrices.

Null hypothesis: residual dimensions may be relabelled, all layers together, without changing the joint distribution.
Defeated by: permuting or rotating the residual stream, changing its width. With fixed sinusoidal positions the
dimensions are not interchangeable, and nothing is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fingerprints.axes import Faces, TestAxis
from fingerprints.contribution import Contribution, part_similarity, shares_zero_mask
from fingerprints.kernels import normal_ranks
from fingerprints.ordering import order_of_pair
from fingerprints.pairing import Pair
from fingerprints.samples import Floats32, PairSample, SampleSettings, axis_features
from fingerprints.sampling import units
from fingerprints.signals.protocol import SignalContext, method_string
from fingerprints.values import Array, widened


class ResidualIndex:
    """See the module."""

    name = "residual_index"

    def method(self, settings: SampleSettings) -> str:
        """Name, version and settings."""
        return method_string(self.name, 1, settings)

    def of_matrix(self, sample: PairSample, context: SignalContext) -> Iterator[Contribution]:
        """Entries and norms of each residual dimension."""
        for axis in sample.plan.tests:
            if axis.kind != "residual":
                continue
            positions, x, y = axis_features(sample, axis, context.settings)
            if x.size == 0:
                continue
            entries = Contribution(
                signal=self.name,
                axis=axis,
                part=sample.pair.a,
                positions=positions,
                order=order_of_pair(x, y, positions),
                similarity=part_similarity(x, y, device=context.device),
            )
            yield entries
            if shares_zero_mask(x, y):
                continue
            norms = [np.sqrt(np.einsum("ij,ij->i", side, side, dtype=np.float64)) for side in (x, y)]
            yield replace(entries, similarity=None, columns=(normal_ranks(norms[0]), normal_ranks(norms[1])))

    def of_vectors(self, pair: Pair, a: Array, b: Array, context: SignalContext) -> Iterator[Contribution]:
        """Ranks of a gain or bias along the residual stream."""
        if pair.a.axes != ("residual",) or pair.b.axes != ("residual",):
            return
        settings = context.settings
        length = min(len(a), len(b))
        positions = units(length, settings.rows, seed=settings.seed, half=settings.half)
        x, y = widened(a)[positions], widened(b)[positions]
        if len(positions) == 0 or not (np.isfinite(x).all() and np.isfinite(y).all()):
            return
        yield ranks_of_vectors(pair, positions, x, y)


def ranks_of_vectors(pair: Pair, positions: npt.NDArray[np.int64], x: Floats32, y: Floats32) -> Contribution:
    """What a gain or bias along the residual stream tells: ranks, to be stacked with those of others.

    Parameters
    ----------
    pair : Pair
        Two vectors with one entry a residual dimension.
    positions : ndarray of int64, shape (units,)
        The dimensions that were looked at.
    x, y : ndarray of float32, shape (units,)
        A's and B's entries there.
    """
    axis = TestAxis(
        axis=0,
        group=f"{pair.a.tower or 'model'}: residual stream",
        kind="residual",
        family=pair.a.tower,
        units_a=pair.a.shape[0],
        units_b=pair.b.shape[0],
        faces=Faces.SHARED,
        layer=pair.a.layer,
        exact="residual" not in pair.matched,
    )
    return Contribution(
        signal=ResidualIndex.name,
        axis=axis,
        part=pair.a,
        positions=positions,
        order=order_of_pair(x[:, None], y[:, None], positions),
        columns=(normal_ranks(x), normal_ranks(y)),
    )
