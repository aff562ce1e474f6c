"""The picture of layers and roles: a grid of which every cell sums up the tensors of one role in one layer."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from provenance.result import Cell, Layer

MOST_ROWS, MOST_COLUMNS = 256, 24
Z_EDGES = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0)
_EXPERT = re.compile(r"\[\d+\]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """What one role of one layer shows. `tensors` of them share it; `status` is `mixed` where they differ."""

    effect: float | None
    z: float | None
    status: str
    tensors: int

    @property
    def shade(self) -> int | None:
        """The cosine in tenths, 0 to 10."""
        return None if self.effect is None else round(min(max(self.effect, 0.0), 1.0) * 10)

    @property
    def z_shade(self) -> int | None:
        """How many of `Z_EDGES` z reaches."""
        return None if self.z is None else sum(self.z >= edge for edge in Z_EDGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One layer of A and of B; `skipped` numbers the layers of A before it that were not looked at, first and last."""

    a: int
    b: int
    squares: tuple[Square | None, ...]
    skipped: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The grid, and how many rows and columns did not fit into it."""

    roles: tuple[str, ...]
    rows: tuple[Row, ...]
    experts: bool
    more_rows: int = 0
    more_columns: int = 0


def draw_picture(layers: Sequence[Layer]) -> Picture:
    """The grid of a result's layers; roles in most layers come first where there are too many."""
    looked_at = [layer for layer in layers if any(cell.status != "not sampled" for cell in layer.cells)]
    counts = Counter(role for layer in looked_at for role in {_role(cell) for cell in layer.cells})
    order = list(dict.fromkeys(_role(cell) for layer in looked_at for cell in layer.cells))
    kept = set(sorted(order, key=lambda role: -counts[role])[:MOST_COLUMNS])
    roles = tuple(role for role in order if role in kept)
    shown = looked_at[:MOST_ROWS]
    return Picture(
        roles=roles,
        rows=tuple(_row(layer, roles, before) for layer, before in zip(shown, [None, *shown], strict=False)),
        experts=any(_EXPERT.search(cell.role) for layer in shown for cell in layer.cells),
        more_rows=len(looked_at) - len(shown),
        more_columns=len(order) - len(roles),
    )


def _row(layer: Layer, roles: Sequence[str], before: Layer | None) -> Row:
    cells: dict[str, list[Cell]] = defaultdict(list)
    for cell in layer.cells:
        cells[_role(cell)].append(cell)
    first = 0 if before is None else before.a + 1
    return Row(
        a=layer.a,
        b=layer.b,
        squares=tuple(_square(cells[role]) if role in cells else None for role in roles),
        skipped=(first, layer.a - 1) if first < layer.a else None,
    )


def _square(cells: Sequence[Cell]) -> Square:
    statuses = {cell.status for cell in cells}
    return Square(
        effect=_median(1.0 if cell.status == "equal" and cell.effect is None else cell.effect for cell in cells),
        z=_median(cell.z for cell in cells),
        status=statuses.pop() if len(statuses) == 1 else "mixed",
        tensors=len(cells),
    )


def _role(cell: Cell) -> str:
    return _EXPERT.sub("", cell.role)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
