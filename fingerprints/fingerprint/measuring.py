"""Measure two fingerprints: the index tests on projected units, gains and biases by rank, digests for equality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from fingerprints.anatomy import Anatomy, PartKind
from fingerprints.axes import AxisPlan, TestAxis, plan_axes
from fingerprints.contribution import Contribution
from fingerprints.copies import CopyFinder
from fingerprints.fingerprint.digests import equal_digests
from fingerprints.fingerprint.fingerprint import AxisPrint, Fingerprint, VectorPrint
from fingerprints.groups import Groups, Untested
from fingerprints.kernels import normal_ranks, similarity, spearman, unit_rows
from fingerprints.measurement import Measurement, TensorMeasurement
from fingerprints.ordering import Order
from fingerprints.pairing import Pair, Pairing
from fingerprints.selection import NOT_SAMPLED
from fingerprints.signals.residual_index import ranks_of_vectors
from fingerprints.signals.tensor_digest import NOTHING, Equality

Floats32 = npt.NDArray[np.float32]
_SEVERITY = (Order.FREE, Order.TREND, Order.SERIAL)
SPARSE = "many values are zero on both sides, perhaps at the same places, which a fingerprint does not tell"
OTHER = "the two fingerprints hold other units of it, or other features"
TYPES = "only one side holds complex numbers"


def measure_fingerprints(
    pairing: Pairing, anatomies: tuple[Anatomy, Anatomy], prints: tuple[Fingerprint, Fingerprint]
) -> Measurement:
    """Measure a pairing as `fingerprints.measurement.measure` does, with what fingerprints hold.

    Parameters
    ----------
    pairing : Pairing
        The counterparts, by names, roles and shapes.
    anatomies, prints : pair
        A's and B's.
    """
    plans = plan_axes(pairing.pairs, *anatomies)
    groups, finder = Groups(), CopyFinder()
    tensors: list[TensorMeasurement] = []
    left_out: list[tuple[Pair, str]] = []
    untested: list[Untested] = []
    with threadpool_limits(limits=1):
        for pair in pairing.pairs:
            tensor, reason = _tensor(pair, *prints)
            if tensor is None:
                left_out.append((pair, reason))
                continue
            if tensor.not_learned is None:
                plan = plans.get(pair.a.name)
                tensor, found = _with_plan(tensor, plan, untested, finder, *prints)
                for contribution in found:
                    groups.add(contribution)
            tensors.append(tensor)
        tests, open_groups = groups.finish(finder.copies())
    return Measurement(
        tensors=tuple(tensors), tests=tuple(tests), untested=(*untested, *open_groups), skipped=tuple(left_out)
    )


def spread_distance(x: Floats32, y: Floats32) -> float:
    """Distance of two vectors' sorted entries as a share of their scatter; 0 for one vector in two orders.

    Parameters
    ----------
    x, y : ndarray of float32, shape (32,)
        `VectorPrint.spread`.
    """
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    scatter = max(float(np.linalg.norm(each - each.mean())) for each in (wide_x, wide_y))
    return float(np.linalg.norm(wide_x - wide_y)) / scatter if scatter > 0 else 0.0


def equality_of(pair: Pair, a: Fingerprint, b: Fingerprint) -> Equality:
    """Equality by digests of all values where both have them, else of the sample."""
    seen_a, seen_b = a.seen.get(pair.a.name), b.seen.get(pair.b.name)
    if seen_a is None or seen_b is None or pair.a.shape != pair.b.shape:
        return NOTHING
    dtypes = pair.a.info.dtype, pair.b.info.dtype
    complete = bool(seen_a.whole and seen_b.whole)
    if complete:
        equal, count = equal_digests(seen_a.whole, seen_b.whole, *dtypes), pair.a.info.size
    else:
        equal, count = equal_digests(seen_a.digests, seen_b.digests, *dtypes), min(seen_a.sampled, seen_b.sampled)
    same = count if equal else 0
    return Equality(compared=count, exact=same, close=same, lost_a=0, lost_b=0, complete=complete)


def _tensor(pair: Pair, a: Fingerprint, b: Fingerprint) -> tuple[TensorMeasurement | None, str]:
    """Equality and size of the change of one pair, or why it was not looked at."""
    seen_a, seen_b = a.seen.get(pair.a.name), b.seen.get(pair.b.name)
    if seen_a is None or seen_b is None or not (seen_a.sampled and seen_b.sampled):
        return None, NOT_SAMPLED
    if pair.a.info.dtype.startswith("C") != pair.b.info.dtype.startswith("C"):
        return None, TYPES
    cosine, change = _change(pair, a, b)
    tensor = TensorMeasurement(
        pair=pair,
        equality=equality_of(pair, a, b),
        cosine=cosine,
        relative_change=change,
        not_learned=seen_a.not_learned or seen_b.not_learned or None,
    )
    vectors = _vectors(pair, a, b)
    if vectors is not None and pair.a.kind is not PartKind.STATISTIC:
        x, y = vectors[0].values, vectors[1].values
        tensor = replace(tensor, rank_correlation=spearman(x, y), ranked=len(x))
    return tensor, ""


def _vectors(pair: Pair, a: Fingerprint, b: Fingerprint) -> tuple[VectorPrint, VectorPrint] | None:
    x, y = a.vector_of.get(pair.a.name), b.vector_of.get(pair.b.name)
    return None if x is None or y is None or not np.array_equal(x.positions, y.positions) else (x, y)


def _change(pair: Pair, a: Fingerprint, b: Fingerprint) -> tuple[float, float]:
    """Cosine, and length of the difference over A's, of what can be compared; 0 and 1 where nothing can."""
    if (vectors := _vectors(pair, a, b)) is not None:
        x, y = (vector.values.astype(np.float64) for vector in vectors)
    else:
        sides = next((found for axis in (0, 1) if (found := _axes(pair, axis, a, b)) is not None), None)
        if sides is None:
            return 0.0, 1.0
        x, y = (unit_rows(side.values)[0] * side.norms[:, None].astype(np.float64) for side in sides)
    xx, yy, xy = float(np.sum(x * x)), float(np.sum(y * y)), float(np.sum(x * y))
    if xx <= 0 or yy <= 0:
        return 0.0, 1.0
    return xy / np.sqrt(xx * yy), float(np.sqrt(max(xx + yy - 2 * xy, 0.0) / xx))


def _axes(pair: Pair, axis: int, a: Fingerprint, b: Fingerprint) -> tuple[AxisPrint, AxisPrint] | None:
    """Both sides' units of one axis, where they are the same units seen through the same features."""
    x, y = a.axis_of.get((pair.a.name, axis)), b.axis_of.get((pair.b.name, axis))
    if x is None or y is None or x.faced != y.faced or x.folded != y.folded:
        return None
    return (x, y) if np.array_equal(x.positions, y.positions) and x.values.shape == y.values.shape else None


def _with_plan(
    tensor: TensorMeasurement,
    plan: AxisPlan | None,
    untested: list[Untested],
    finder: CopyFinder,
    a: Fingerprint,
    b: Fingerprint,
) -> tuple[TensorMeasurement, list[Contribution]]:
    """What one pair contributes to the groups, and why some axis of it does not."""
    pair = tensor.pair
    if plan is None:
        return tensor, list(_of_vectors(pair, a, b))
    seen = a.seen[pair.a.name], b.seen[pair.b.name]
    reasons = list(plan.reasons)
    if all(each.waves for each in seen):
        return replace(tensor, reasons=(*reasons, "positions that started as waves order their columns")), []
    if all(each.sparse for each in seen):
        return replace(tensor, reasons=(*reasons, SPARSE)), []
    found: list[Contribution] = []
    for test in plan.tests:
        sides = _axes(pair, test.axis, a, b)
        if sides is None or (test.faces_rest and " of the other half" not in sides[0].faced):
            untested.append(Untested(signal=_signal(test), subject=f"{pair.a.name}: {test.kind}", reason=OTHER))
            continue
        found += _of_axis(pair, test, *sides)
        if test.kind == "neuron" and test.axis == 0 and pair.a.role in ("ffn_gate", "ffn_up"):
            for label, side in zip("ab", sides, strict=True):
                finder.add_units(label, pair.a.role, test.group, side.values.astype(np.float32).reshape(-1))
    return replace(tensor, reasons=tuple(reasons)), found


def _signal(test: TestAxis) -> str:
    return "residual_index" if test.kind == "residual" else "neuron_index"


def _of_axis(pair: Pair, test: TestAxis, x: AxisPrint, y: AxisPrint) -> Iterator[Contribution]:
    c = np.clip(similarity(unit_rows(x.values)[0], unit_rows(y.values)[0]), -1.0, 1.0)
    whole = Contribution(
        signal=_signal(test),
        axis=test,
        part=pair.a,
        positions=x.positions,
        order=min(x.order, y.order, key=_SEVERITY.index),
        similarity=np.abs(c) if pair.a.role == "ffn_up" and test.kind == "neuron" else c,
    )
    yield whole
    if test.kind == "residual":
        yield replace(whole, similarity=None, columns=(normal_ranks(x.norms), normal_ranks(y.norms)))


def _of_vectors(pair: Pair, a: Fingerprint, b: Fingerprint) -> Iterator[Contribution]:
    """Ranks of a gain or bias along the residual stream, to be stacked with others."""
    vectors = _vectors(pair, a, b)
    if vectors is not None and pair.a.axes == pair.b.axes == ("residual",):
        yield ranks_of_vectors(pair, vectors[0].positions, vectors[0].values, vectors[1].values)
