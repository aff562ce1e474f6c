"""Which layer of the parent each layer of the child comes from, as a drawing and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provenance.result import Kind

MARGIN = 12
MOST_LAYERS = 400
_WIDTH, _LEAST_STEP, _MOST_STEP = 1000, 10, 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Neighbouring layers of the child that come from neighbouring layers of the parent, or from none."""

    first: int
    last: int
    parent_first: int | None
    parent_last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMap:
    """`sources` names the parent's layer for each layer of the child; None where the parent lacks it."""

    child: str
    sources: tuple[int | None, ...]
    dropped: tuple[int, ...]

    @property
    def parent(self) -> str:
        """The other side."""
        return "A" if self.child == "B" else "B"

    @property
    def depth(self) -> int:
        """Layers of the parent, as far as is known."""
        return 1 + max((*(s for s in self.sources if s is not None), *self.dropped), default=-1)

    @property
    def step(self) -> int:
        """Distance of two layers in the drawing."""
        return min(max(_WIDTH // max(len(self.sources), self.depth), _LEAST_STEP), _MOST_STEP)

    @property
    def width(self) -> int:
        """Width of the drawing, with room for its labels."""
        return max(2 * MARGIN + self.step * (max(len(self.sources), self.depth) - 1), 200)

    def runs(self) -> Iterator[Run]:
        """The map in as few words as possible."""
        start = 0
        for index in range(1, len(self.sources) + 1):
            if index < len(self.sources) and _follows(self.sources[index - 1], self.sources[index]):
                continue
            yield Run(
                first=start, last=index - 1, parent_first=self.sources[start], parent_last=self.sources[index - 1]
            )
            start = index


def find_layer_map(kinds: Sequence[Kind]) -> LayerMap | None:
    """The first map that a kind gives, if it can be drawn."""
    for kind in kinds:
        sources, dropped = kind.parameters.get("layer_map"), kind.parameters.get("dropped", ())
        child = kind.parameters.get("child")
        if not (isinstance(sources, list | tuple) and isinstance(dropped, list | tuple) and child in ("a", "b")):
            continue
        numbers = [number for number in (*sources, *dropped) if number is not None]
        if 0 < len(sources) <= MOST_LAYERS and all(_is_layer(number) for number in numbers):
            return LayerMap(child=child.upper(), sources=tuple(sources), dropped=tuple(dropped))
    return None


def _is_layer(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < MOST_LAYERS


def _follows(before: int | None, after: int | None) -> bool:
    return after is None if before is None else after == before + 1
