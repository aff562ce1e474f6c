"""From contributions to tests: one permutation group, one test.

Axes that are relabelled together are joined before the statistic is formed: their unit features are put side by side,
which makes the joint similarity a mean of the parts' similarities, weighted by 1 / sigma^2 (no relabelling changes
sigma, so the joint test stays exact, and a part with few features does not drown the others). Groups whose units are
copies of one another inside one checkpoint (upcycled experts) are one group. Different groups of hidden units of one
known wiring are independent under the null, and are combined once more: T by Stouffer, hits by their sum.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fingerprints.axes import Faces
from fingerprints.contribution import Contribution
from fingerprints.kernels import IndexStatistics, index_statistics, pooled, similarity, stouffer, unit_rows
from fingerprints.ordering import Order, windows
from fingerprints.sampling import Ints

Floats = npt.NDArray[np.float64]
_Key = tuple[str, str, bool, bytes]
"""Signal, group, whether stacked from vectors, and the positions of the units."""

COPIES = 0.5
"""Cosine between two groups of one checkpoint above which they count as copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisTest:
    """One index test and what it is about.

    `scope` is `tensor` for one tensor, `group` for a permutation group, `family` for all groups of one wiring, `order`
    for a search that could have brought units out in any order. `tensors` names what went in. `exact` is False where a
    search has matched the units: such a test has an effect, and no p-value.
    """

    signal: str
    scope: str
    subject: str
    axis: str
    family: str
    faces: Faces
    layer: int | None
    role: str | None
    tensors: tuple[str, ...]
    order: Order
    statistics: IndexStatistics
    exact: bool = True

    @property
    def log10_p(self) -> float:
        """log10 of the smaller p of T and F, uncorrected; 0 where there is no exact test."""
        if not self.exact:
            return 0.0
        return min(self.statistics.log10_p_statistic, self.statistics.log10_p_hits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Untested:
    """An axis that could not be tested, and why."""

    signal: str
    subject: str
    reason: str


@dataclass(slots=True)
class _Group:
    """Running sum of one group's similarities, or its stacked columns."""

    first: Contribution
    total: Floats | None = None
    columns: list[tuple[Floats, Floats]] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    roles: set[str] = field(default_factory=set)
    order: Order = Order.FREE
    faces: Faces = Faces.SHARED
    weight: float = 0.0

    def add(self, item: Contribution, weight: float) -> None:
        if item.similarity is not None:
            weighted = weight * item.similarity
            self.total = weighted if self.total is None else self.total + weighted
        if item.columns is not None:
            self.columns.append(item.columns)
        self._describe([item.part.name], {item.part.role or ""}, item.order, item.axis.faces, weight)

    def merge(self, other: _Group) -> None:
        if self.total is not None and other.total is not None:
            self.total = self.total + other.total
        self.columns += other.columns
        self._describe(other.tensors, other.roles, other.order, other.faces, other.weight)

    def _describe(self, tensors: list[str], roles: set[str], order: Order, faces: Faces, weight: float) -> None:
        self.tensors += tensors
        self.roles |= roles
        self.weight += weight
        if order is Order.TREND:
            self.order = order
        if faces is Faces.PRIVATE:
            self.faces = faces

    def similarity(self) -> Floats | None:
        if self.total is not None:
            return self.total / self.weight
        if len(self.columns) < 2:
            return None
        x, _ = unit_rows(np.stack([column for column, _ in self.columns], axis=1))
        y, _ = unit_rows(np.stack([column for _, column in self.columns], axis=1))
        return similarity(x, y)


def _statistics(c: Floats, positions: Ints, order: Order) -> IndexStatistics | None:
    """The index test on the units that have any feature, inside windows where the axis is ordered."""
    alive = c.any(axis=1) & c.any(axis=0)
    kept = c if alive.all() else c[np.ix_(alive, alive)]
    strata = windows(positions[alive]) if order is Order.TREND else None
    return index_statistics(kept, strata)


class Groups:
    """Collects contributions in a fixed order and tests each group once."""

    def __init__(self) -> None:
        self._groups: dict[_Key, _Group] = {}
        self._tests: list[AxisTest] = []
        self._untested: list[Untested] = []

    def add(self, item: Contribution) -> None:
        """Take in one contribution; a tensor's own test is made at once."""
        subject = f"{item.part.name}: {item.axis.kind}"
        if item.order is Order.SERIAL:
            self._untested.append(
                Untested(
                    signal=item.signal,
                    subject=subject,
                    reason="neighbouring units resemble each other on both sides: their index may mean something",
                )
            )
            return
        weight = 1.0
        if item.similarity is not None:
            statistics = _statistics(item.similarity, item.positions, item.order)
            if statistics is None:
                self._untested.append(
                    Untested(signal=item.signal, subject=subject, reason="fewer than 8 units can be compared")
                )
                return
            weight = 1.0 / statistics.sigma**2
            self._tests.append(
                self._test(item, "tensor", item.part.name, item.axis.faces, (item.part.name,), statistics)
            )
        key = (item.signal, item.axis.group, item.columns is not None, item.positions.tobytes())
        group = self._groups.setdefault(key, _Group(first=item))
        group.add(item, weight)

    @staticmethod
    def _test(
        item: Contribution,
        scope: str,
        subject: str,
        faces: Faces,
        tensors: tuple[str, ...],
        statistics: IndexStatistics,
        order: Order | None = None,
    ) -> AxisTest:
        return AxisTest(
            signal=item.signal,
            scope=scope,
            subject=subject,
            axis=item.axis.kind if scope == "group" else f"{item.axis.kind}, axis {item.axis.axis}",
            family=item.axis.family,
            faces=faces,
            layer=item.axis.layer if scope == "tensor" or item.axis.kind == "neuron" else None,
            role=item.part.role if scope == "tensor" else None,
            tensors=tensors,
            order=item.order if order is None else order,
            statistics=statistics,
            exact=item.axis.exact,
        )

    def finish(self, copies: Iterable[tuple[str, str]] = ()) -> tuple[list[AxisTest], list[Untested]]:
        """Test every group, then every family.

        Parameters
        ----------
        copies : iterable of pairs of str
            Groups that are copies of one another inside one checkpoint, by name.

        Returns
        -------
        tests, untested
            Tensor tests first, then group tests, then family tests.
        """
        groups = self._merged(copies)
        found: list[AxisTest] = []
        for (signal, name, stacked, _), group in groups.items():
            subject = f"{name} (gains, biases, norms)" if stacked else name
            c = group.similarity()
            statistics = None if c is None else _statistics(c, group.first.positions, group.order)
            if statistics is None:
                why = "one number a unit is too little" if c is None else "fewer than 8 units can be compared"
                self._untested.append(Untested(signal=signal, subject=subject, reason=why))
                continue
            faces = Faces.SHARED if stacked else group.faces
            tensors = tuple(dict.fromkeys(group.tensors))
            found.append(self._test(group.first, "group", subject, faces, tensors, statistics, group.order))
        return [*self._tests, *found, *_families(found)], self._untested

    def _merged(self, copies: Iterable[tuple[str, str]]) -> dict[_Key, _Group]:
        parent: dict[str, str] = {}

        def root(name: str) -> str:
            while parent.get(name, name) != name:
                name = parent[name]
            return name

        for one, other in copies:
            first, second = sorted((root(one), root(other)))
            parent[second] = first
        merged: dict[_Key, _Group] = {}
        for (signal, name, stacked, positions), group in self._groups.items():
            key = (signal, root(name), stacked, positions)
            if key in merged:
                merged[key].merge(group)
            else:
                merged[key] = group
        return merged


def _families(groups: list[AxisTest]) -> list[AxisTest]:
    """All groups of hidden units of one known wiring together, by signal.

    The residual stream stays out: its matrices are those of the neurons, seen from the other side, and the two
    statistics are correlated under the null (.4 where a tower is little else).
    """
    members: dict[tuple[str, str], list[AxisTest]] = defaultdict(list)
    largest: dict[tuple[str, str], AxisTest] = {}
    for test in sorted(groups, key=lambda test: test.statistics.units):
        largest[test.signal, test.subject] = test
    for test in groups:
        if test.family and test.exact and test.axis != "residual" and largest[test.signal, test.subject] is test:
            members[test.signal, test.family].append(test)
    combined: list[AxisTest] = []
    for (_, family), tests in members.items():
        if len(tests) < 2:
            continue
        total = pooled([test.statistics for test in tests])
        z = stouffer([test.statistics.z for test in tests])
        combined.append(
            replace(
                tests[0],
                signal="combined",
                scope="family",
                subject=f"{family}: {len(tests)} groups together",
                axis="all",
                faces=Faces.PRIVATE if any(t.faces is Faces.PRIVATE for t in tests) else Faces.SHARED,
                layer=None,
                tensors=tuple(dict.fromkeys(name for test in tests for name in test.tensors)),
                statistics=replace(total, z=z) if math.isfinite(z) else total,
            )
        )
    return combined
