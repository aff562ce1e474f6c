"""Changes that are neither training nor an edit: one factor of a whole matrix, or one vector added to all its rows."""

from __future__ import annotations

import math
import statistics

from provenance.observation import Observation
from provenance.thresholds import thresholds

BEYOND_TRAINING = 3.0
"""How many times the change of other matrices a table's must be, to be more than their training."""
SCALED = 0.02
"""Relative change beyond what the angle explains from which a matrix counts as scaled."""


def trivially_changed(observed: Observation) -> frozenset[str]:
    """Names in A of tensors that were scaled or shifted."""
    return scaled_tensors(observed) | shifted_tensors(observed)


def scaled_tensors(observed: Observation) -> frozenset[str]:
    """Names in A of matrices that differ from their counterparts by one factor alone."""
    return frozenset(
        name
        for name, item in observed.measured.items()
        if len(item.pair.a.shape) > 1
        and item.cosine >= thresholds().scaled_cosine
        and item.relative_change > 2.0 * math.sqrt(max(0.0, 2.0 - 2.0 * item.cosine)) + SCALED
    )


def shifted_tensors(observed: Observation) -> frozenset[str]:
    """Names in A of tables of tokens to all of whose rows one vector was added.

    Training moves the rows of tokens that it never saw alike as well, but no further than it moves the rest.
    """
    others = [
        item.relative_change
        for name, item in observed.measured.items()
        if len(item.pair.a.shape) > 1 and item.pair.a.axes[:1] != ("vocabulary",) and name in observed.dependent_tensors
    ]
    most = max(SCALED, BEYOND_TRAINING * statistics.median(others) if others else 0.0)
    return frozenset(
        name
        for name, item in observed.measured.items()
        if item.pair.a.axes[:1] == ("vocabulary",)
        and item.common_change >= thresholds().shifted_share
        and item.relative_change > most
    )
