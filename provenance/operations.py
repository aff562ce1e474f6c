"""What the change of each matrix is put down to: the first step from measurements to kinds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fingerprints.change import TensorChange
from fingerprints.pairing import Pair
from fingerprints.values import PRECISION
from provenance.observation import Observation
from provenance.thresholds import thresholds
from provenance.trivial_changes import trivially_changed

GAUSSIAN = 3.0
DEVIATIONS = 4.0
NEAR = 0.1


class Operation(StrEnum):
    """An operation that leaves its trace on a matrix."""

    GRID = "grid"
    """The values of one side were rounded to a quantiser's grid."""
    MASK = "mask"
    """Weights of one side were set to zero."""
    LOW_RANK = "low rank"
    """The change is of few directions."""
    NOISE = "noise"
    """The change is white and has nothing to do with the weights."""
    FULL = "full"
    """The change is of many directions and no noise: training."""
    ROUNDING = "rounding"
    """There is no more change than rounding leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A change and what it is put down to; several operations may have left their traces."""

    change: TensorChange
    operations: frozenset[Operation]

    @property
    def size(self) -> int:
        """Elements of the matrix."""
        return self.change.pair.a.info.size


def explain(change: TensorChange) -> Explained:
    """Put a change down to operations.

    Parameters
    ----------
    change : TensorChange
        Of one matrix.
    """
    limits = thresholds()
    found: set[Operation] = set()
    pruned = abs(change.zeros.a - change.zeros.b) >= limits.pruned_share
    if pruned and change.survivors <= _rounding(change):
        return Explained(change=change, operations=frozenset({Operation.MASK}))
    grid = change.grid
    if grid is not None:
        found.add(Operation.GRID)
        error = (4 if grid.group_size else 8) * 2.0**-grid.bits
        if (change.nearest or 0.0) >= limits.nearest_level or change.survivors <= error:
            return Explained(change=change, operations=frozenset(found))
    if pruned:
        return Explained(change=change, operations=frozenset({*found, Operation.MASK, Operation.FULL}))
    spectrum = change.spectrum
    if spectrum.above_floor < limits.above_rounding:
        found.add(Operation.ROUNDING)
    elif spectrum.rank is not None:
        found.add(Operation.LOW_RANK)
    elif _is_noise(change):
        found.add(Operation.NOISE)
    else:
        found.add(Operation.FULL)
    return Explained(change=change, operations=frozenset(found))


def _is_noise(change: TensorChange) -> bool:
    """Whether no direction stands out, values are Gaussian, and the change is at right angles to one side's weights."""
    limits = thresholds()
    return (
        change.spectrum.edge <= limits.white_edge
        and abs(change.kurtosis - GAUSSIAN) <= limits.white_kurtosis
        and abs(abs(change.growth) - 1.0) <= limits.white_growth + DEVIATIONS * change.growth_noise
    )


def explained(observed: Observation) -> tuple[Explained, ...]:
    """All changes of a pair, those left out that are one factor, one vector added to all rows, or what rounding leaves
    of values that were turned or scaled between.
    """
    trivial = trivially_changed(observed)
    return tuple(
        explain(change)
        for change in observed.changes
        if change.pair.a.name not in trivial
        and not (observed.undone is not None and change.survivors <= stored_rounding(change.pair, observed))
    )


def share(found: Iterable[Explained], operation: Operation) -> float:
    """Share of the elements of changed matrices that an operation left its trace on."""
    items = list(found)
    total = sum(item.size for item in items)
    return sum(item.size for item in items if operation in item.operations) / total if total else 0.0


def adapter_rank(found: Iterable[Explained]) -> int | None:
    """The rank that most matrices of low rank have; None where they have many, as light training leaves them.

    The floor of rounding may hide a direction, or show one more: ranks within a tenth are one.
    """
    ranks = [item.change.spectrum.rank or 0 for item in found if Operation.LOW_RANK in item.operations]
    if not ranks:
        return None
    near = {rank: sum(abs(other - rank) <= NEAR * rank for other in ranks) for rank in set(ranks)}
    most = max(near.values())
    if most < thresholds().one_rank_share * len(ranks):
        return None
    return max((rank for rank in near if near[rank] == most), key=lambda rank: (ranks.count(rank), rank))


def stored_rounding(pair: Pair, observed: Observation) -> float:
    """Relative change that rounding to the types in the files leaves, where views of them hold more digits."""
    stored = [
        side.anatomy.parts.get(part.name, part).info.dtype
        for part, side in ((pair.a, observed.a), (pair.b, observed.b))
    ]
    return sum(2.0 ** -PRECISION.get(dtype, 24) for dtype in stored)


def _rounding(change: TensorChange) -> float:
    """Relative change that rounding to the stored types leaves."""
    return sum(2.0 ** -PRECISION.get(part.info.dtype, 24) for part in (change.pair.a, change.pair.b))
