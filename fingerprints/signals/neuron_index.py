"""Signal `neuron_index`: hidden units look like their own counterparts.

Measures the cosines of rows of gate and up matrices (times the preceding norm's gain), of filters, and of rows and
columns of other hidden layers, between equal indices and between unequal ones.

Null hypothesis: hidden units may be relabelled in one model without changing the joint distribution.
Defeated by: permuting hidden units, rotating the residual stream, changing the width.
Reference: S. Zhu et al., arXiv 2502.12292 (statistic phi_U, restated without an assignment problem).
"""

from __future__ import annotations

from collections.abc import Iterator

from fingerprints.contribution import Contribution, part_similarity
from fingerprints.ordering import order_of_pair
from fingerprints.pairing import Pair
from fingerprints.samples import PairSample, SampleSettings, axis_features
from fingerprints.signals.protocol import SignalContext, method_string
from fingerprints.values import Array

_READS_NORM = {"ffn_gate", "ffn_up", "ffn_gate_up"}


class NeuronIndex:
    """See the module."""

    name = "neuron_index"

    def method(self, settings: SampleSettings) -> str:
        """Name, version and settings."""
        return method_string(self.name, 1, settings)

    def of_matrix(self, sample: PairSample, context: SignalContext) -> Iterator[Contribution]:
        """One contribution for each axis of hidden units."""
        part = sample.pair.a
        for axis in sample.plan.tests:
            if axis.kind == "residual":
                continue
            fold = context.fold if part.role in _READS_NORM and axis.kind == "neuron" else None
            positions, x, y = axis_features(sample, axis, context.settings, fold)
            if x.size == 0:
                continue
            yield Contribution(
                signal=self.name,
                axis=axis,
                part=part,
                positions=positions,
                order=order_of_pair(x, y, positions),
                similarity=part_similarity(x, y, device=context.device, magnitude=part.role == "ffn_up"),
            )

    def of_vectors(self, pair: Pair, a: Array, b: Array, context: SignalContext) -> Iterator[Contribution]:
        """Nothing: one number a unit is too little."""
        return iter(())
