"""The exact test that a search leaves behind: matched units that come in one order on both sides.

Null hypothesis: the units of one side may be relabelled without changing the joint distribution; the search never looks
at their numbers, so that their order among the matches is then uniform (`fingerprints.kernels.order_test`).
Defeated by: changing the order of the units as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fingerprints.alignment.alignment import Alignment
from fingerprints.alignment.axis_map import AxisMap
from fingerprints.alignment.tower_map import TowerMap
from fingerprints.axes import Faces
from fingerprints.groups import AxisTest, Untested
from fingerprints.kernels import IndexStatistics, spearman
from fingerprints.kernels.index_test import FEWEST_UNITS
from fingerprints.kernels.order_test import log10_p_ascent, longest_ascent
from fingerprints.kernels.probability import LOG10
from fingerprints.ordering import Order

SIGNAL = "unit_order"
METHOD = "unit_order/v1"


def order_tests(alignment: Alignment) -> tuple[list[AxisTest], list[Untested]]:
    """One test for every axis of interchangeable units that was matched.

    Attention rows are left out: their numbers mean heads and rotary frequencies.

    Parameters
    ----------
    alignment : Alignment
        What a search found.
    """
    tests: list[AxisTest] = []
    untested: list[Untested] = []
    for tower in alignment.towers:
        for subject, kind, layer, faces, found in _searched(tower):
            tensors = _on_axis(alignment, tower, kind, layer)
            if found.order is not Order.FREE:
                untested.append(Untested(signal=SIGNAL, subject=subject, reason="the norms of its units are ordered"))
            elif len(found.a) >= FEWEST_UNITS and tensors and found.effect is not None:
                tests.append(
                    AxisTest(
                        signal=SIGNAL,
                        scope="order",
                        subject=subject,
                        axis=kind,
                        family=tower.path_a or "model",
                        faces=faces,
                        layer=layer,
                        role=None,
                        tensors=tensors,
                        order=found.order,
                        statistics=_statistics(found),
                    )
                )
    return tests, untested


def _searched(tower: TowerMap) -> Iterator[tuple[str, str, int | None, Faces, AxisMap]]:
    name = tower.path_a or "model"
    if tower.searched_residual:
        yield f"{name}: order of the residual stream", "residual", None, Faces.SHARED, tower.residual
    for units in tower.units:
        if units.meaning == "neuron":
            expert = "" if units.experts[0] is None else f", expert {units.experts[0]}"
            subject = f"{name}: layer {units.layers[0]}{expert}: order of the neurons"
            yield subject, "neuron", units.layers[0], Faces.PRIVATE, units.map


def _on_axis(alignment: Alignment, tower: TowerMap, kind: str, layer: int | None) -> tuple[str, ...]:
    return tuple(
        pair.a.name
        for pair in alignment.pairing.pairs
        if pair.a.tower == tower.path_a and kind in pair.a.axes and layer in (None, pair.a.layer)
    )


def _statistics(found: AxisMap) -> IndexStatistics:
    """Spearman's correlation of the numbers as z and effect, and the exact bound on the longest ascent as p."""
    count = len(found.a)
    ranks_a = np.argsort(np.argsort(found.a)).astype(np.float64)
    ranks_b = np.argsort(np.argsort(found.b))
    correlation = spearman(ranks_a, ranks_b.astype(np.float64))
    return IndexStatistics(
        units=count,
        blocks=1,
        z=correlation * math.sqrt(count - 1),
        upper=(0.0, 0.0),
        lower=(0.0, 0.0),
        sigma=count / math.sqrt(count - 1),
        hits=0,
        effect=correlation,
        log10_floor=-math.lgamma(count + 1) / LOG10,
        log10_p_drawn=log10_p_ascent(longest_ascent(ranks_b), count),
    )
