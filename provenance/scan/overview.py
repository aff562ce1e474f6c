"""The rows of a scan as one document: what was found about each target, and how many there are of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from provenance.scan.row import Row, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Rows in their order."""

    rows: tuple[Row, ...]

    @property
    def relations(self) -> Mapping[str, int]:
        """How many rows have each relation; `error` and `pending` are counted beside them."""
        return Counter(
            str(row.relation) if row.state is State.DONE and row.relation else str(row.state) for row in self.rows
        )

    @property
    def claims(self) -> Mapping[str, int]:
        """How many rows have each claim."""
        return Counter(str(row.claim) for row in self.rows if row.claim is not None)

    @property
    def failed(self) -> tuple[Row, ...]:
        """Rows of what could not be examined."""
        return tuple(row for row in self.rows if row.state is State.ERROR)
