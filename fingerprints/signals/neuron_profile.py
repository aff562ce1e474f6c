"""Signal `neuron_profile`: a neuron's angles to other neurons of its own layer.

Measures, for sampled neurons, the cosines of their first rows (times the preceding norm's gain) with those of other
neurons of the same matrix, in place of the rows themselves: no rotation of the residual stream and no refolding of
gains changes them. Cosines of rows of `up` count without their sign, which is free in a gated MLP.

Null hypothesis: hidden units may be relabelled in one model without changing the joint distribution. The units that are
tested are not those that angles are taken to, so that relabelling the tested ones alone is enough.
Defeated by: permuting neurons, changing the width.
Reference: after S. Zhu et al., arXiv 2502.12292; rotations as in QuaRot, arXiv 2404.00456.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fingerprints.anatomy import Part
from fingerprints.contribution import Contribution, part_similarity
from fingerprints.kernels import unit_rows
from fingerprints.ordering import order_of_pair
from fingerprints.pairing import Pair
from fingerprints.samples import Floats32, PairSample, SampleSettings, Scale
from fingerprints.sampling import in_half
from fingerprints.signals.protocol import SignalContext, method_string
from fingerprints.values import Array

_FIRST = ("ffn_gate", "ffn_up", "ffn_gate_up")
RUN = 4
"""Neurons are tested, and taken for reference, in alternating runs of so many."""
FEWEST = 16


class NeuronProfile:
    """See the module."""

    name = "neuron_profile"

    def method(self, settings: SampleSettings) -> str:
        """Name, version and settings."""
        return method_string(self.name, 1, settings)

    def of_matrix(self, sample: PairSample, context: SignalContext) -> Iterator[Contribution]:
        """One contribution for the neurons of each first matrix of an MLP whose rows are neurons."""
        part = sample.pair.a
        axis = next((test for test in sample.plan.tests if test.axis == 0 and test.kind == "neuron"), None)
        if axis is None or part.role not in _FIRST:
            return
        if sample.pair.matched or sample.a.shape[2] != sample.b.shape[2]:
            return
        rows = sample.rows[in_half(sample.rows, context.settings.half)]
        tested = (rows // RUN) % 2 == 0
        if min(tested.sum(), (~tested).sum()) < FEWEST:
            return
        place = np.searchsorted(sample.rows, rows)
        x, y = (
            _angles(values[:, place], tested, scale, side)
            for values, scale, side in zip(
                (sample.a, sample.b), context.fold or (None, None), (sample.pair.a, sample.pair.b), strict=True
            )
        )
        positions = rows[tested]
        yield Contribution(
            signal=self.name,
            axis=axis,
            part=part,
            positions=positions,
            order=order_of_pair(x, y, positions),
            similarity=part_similarity(x, y, device=context.device),
        )

    def of_vectors(self, pair: Pair, a: Array, b: Array, context: SignalContext) -> Iterator[Contribution]:
        """Nothing: a number has no angle."""
        return iter(())


def _angles(values: Floats32, tested: np.ndarray, scale: Scale | None, part: Part) -> np.ndarray:
    """Cosines of tested rows with the others, centred over the tested; shape (tested, gates * others)."""
    gain = None if scale is None else scale(part)
    found = []
    for gate in values[..., 0]:
        rows, _ = unit_rows(gate if gain is None else gate * gain[None, :])
        c = rows[tested] @ rows[~tested].T
        found.append(np.abs(c) if part.role == "ffn_up" else c)
    angles = np.concatenate(found, axis=1)
    return np.asarray(angles - angles.mean(axis=0, keepdims=True))
