"""Layout `channels_last`: convolutions whose namesakes have their channels elsewhere.

| stored | PyTorch | who stores so |
|---|---|---|
| [out, H, W, in], [out, W, in], [out, D, H, W, in] | [out, in, H, W], … | MLX |
| [H, W, in, out], [W, in, out], [D, H, W, in, out] | [out, in, H, W], … | TensorFlow, where leaves do not tell |

Shapes tell: all namesakes that differ must be explained by one order on one side. Filters whose shape is the same in
both orders (three channels, three by three) follow them where no namesake contradicts. Where every shape fits more
than one order, nothing is done, unless these orders are the same (two axes that change places).
https://ml-explore.github.io/mlx/build/html/python/nn/_autosummary/mlx.nn.Conv2d.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fingerprints.checkpoint import TensorInfo
from fingerprints.layouts.kernel_axes import ORDERS
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.views import Moved, Turned, View, seen_as

Shape = tuple[int, ...]
_RANKS = (3, 4, 5)
_OUTPUTS_FIRST = {rank: (0, rank - 1, *range(1, rank - 1)) for rank in _RANKS}
_ORDERS: Mapping[str, Mapping[int, Shape]] = {"outputs first": _OUTPUTS_FIRST, "outputs last": ORDERS}


class ChannelsLast:
    """See the module."""

    name = "channels_last"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """One view a filter; none without another side, because only its shapes tell."""
        collected = Collected(side)
        if other is None:
            return collected.relaying()
        pairs = list(_namesakes(side, other))
        order = _order(pairs)
        if order is not None:
            for info, facing in pairs:
                if _permuted(info.shape, _ORDERS[order]) == facing.shape:
                    collected.add(_moved(info, _ORDERS[order][len(info.shape)]))
        return collected.relaying()


Pair = tuple[TensorInfo, TensorInfo]


def _namesakes(side: LayoutSide, other: LayoutSide) -> Iterator[Pair]:
    theirs = other.checkpoint.tensors
    for name, info in sorted(side.checkpoint.tensors.items()):
        facing = theirs.get(name)
        if facing is not None and len(info.shape) in _RANKS and sorted(info.shape) == sorted(facing.shape):
            yield info, facing


def _permuted(shape: Shape, order: Mapping[int, Shape]) -> Shape:
    return tuple(shape[axis] for axis in order[len(shape)])


def _order(pairs: list[Pair]) -> str | None:
    """The one order in which this side's filters are stored; None where they are PyTorch's or nothing tells."""
    differing = [(ours.shape, theirs.shape) for ours, theirs in pairs if ours.shape != theirs.shape]
    mine = {name for name, order in _ORDERS.items() if all(_permuted(x, order) == y for x, y in differing)}
    theirs = {name for name, order in _ORDERS.items() if all(_permuted(y, order) == x for x, y in differing)}
    if not differing or len(mine) != 1 or theirs - mine:
        return None
    if theirs and not (_two_axes(differing) and [x for x, _ in differing] < [y for _, y in differing]):
        return None
    name = mine.pop()
    ranks = {len(x) for x, _ in differing}
    contradicted = any(
        ours.shape == facing.shape != _permuted(ours.shape, _ORDERS[name])
        for ours, facing in pairs
        if len(ours.shape) in ranks
    )
    return None if contradicted else name


def _two_axes(differing: list[tuple[Shape, Shape]]) -> bool:
    """Whether two axes change places, which is the same from either side; the one with short filters is moved."""
    return all(len(x) == 3 for x, _ in differing)


def _moved(info: TensorInfo, order: Shape) -> Fit:
    shown = seen_as(info, info.name, tuple(info.shape[axis] for axis in order), "moved")
    view: View = (
        Moved(info=shown, source=info.name, order=order)
        if order[0] == 0
        else Turned(info=shown, source=info.name, folded=info.shape, order=order)
    )
    return Fit(replaced=(info.name,), views=(view,))
