"""Layout `turned`: matrices stored with inputs first where the other side stores outputs first.

| stored | other side | told by |
|---|---|---|
| Conv1D of GPT-2 `weight` [in, out] | Linear [out, in] | roles, and the length of the residual stream |
| `kernel` [in, out], [H, W, in, out] of Flax and Keras | `weight` [out, in], [out, in, H, W] | the leaf |
| any matrix | the matrix of the same name | reversed shapes |

Square matrices follow the others of their stack of layers. Only one side is turned, to outputs first where roles or
leaves tell which that is. Sources: `Conv1D` in
https://github.com/huggingface/transformers/blob/main/src/transformers/pytorch_utils.py and
https://flax.readthedocs.io/en/latest/guides/converting_and_upgrading/convert_pytorch_to_flax.html
"""

from __future__ import annotations

from fingerprints.anatomy import Part, PartKind
from fingerprints.checkpoint import TensorInfo
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.views import Turned, seen_as

_ORDERS = {2: (1, 0), 4: (3, 2, 0, 1)}


class TurnedMatrices:
    """See the module."""

    name = "turned"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """One view a matrix that is turned."""
        collected = Collected(side)
        tensors = side.checkpoint.tensors
        for name in _kernels(side, other):
            collected.add(_turn(tensors[name], name.removesuffix("kernel") + "weight"))
        done = {name for fit in collected.fits for name in fit.replaced}
        for part in _by_role(side, other):
            if part.name not in done:
                collected.add(_turn(part.info, part.name))
                done.add(part.name)
        if other is not None and side.label == "b":
            for name in _by_name(side, other):
                if name not in done:
                    collected.add(_turn(tensors[name], name))
        return collected.relaying()


def _turn(info: TensorInfo, name: str) -> Fit:
    order = _ORDERS[len(info.shape)]
    shape = tuple(info.shape[axis] for axis in order)
    shown = seen_as(info, name, shape, "turned")
    return Fit(replaced=(info.name,), views=(Turned(info=shown, source=info.name, order=order),))


def _kernels(side: LayoutSide, other: LayoutSide | None) -> list[str]:
    """Tensors called `kernel`, where the other side calls none so."""
    if other is not None and any(name.endswith(".kernel") for name in other.checkpoint.tensors):
        return []
    tensors = side.checkpoint.tensors
    return [name for name in tensors if name.endswith(".kernel") and len(tensors[name].shape) in _ORDERS]


def _by_role(side: LayoutSide, other: LayoutSide | None) -> list[Part]:
    """Matrices of a stack with inputs first, where the other side's stack has outputs first."""
    found: list[Part] = []
    for path, tower in side.anatomy.towers.items():
        if not tower.input_first:
            continue
        if other is not None:
            counterpart = other.counterpart(tower)
            if counterpart is None or counterpart.input_first:
                continue
        found += [
            part
            for part in side.anatomy.parts.values()
            if part.tower == path and part.transposed and part.layer is not None and part.kind is PartKind.MATRIX
        ]
    return found


def _by_name(side: LayoutSide, other: LayoutSide) -> list[str]:
    """Matrices whose namesakes have the reversed shape, and the square ones of the same stacks."""
    mine, theirs = side.anatomy.parts, other.anatomy.parts
    reversed_: list[str] = []
    square: dict[str, list[str]] = {}
    turned_stacks: set[str] = set()
    plain_stacks: set[str] = set()
    for name in mine.keys() & theirs.keys():
        shape = mine[name].shape
        if len(shape) != 2 or 1 in shape or len(theirs[name].shape) != 2:
            continue
        stack = mine[name].template.partition("{i}")[0]
        if shape[0] == shape[1]:
            if mine[name].index and theirs[name].shape == shape:
                square.setdefault(stack, []).append(name)
        elif shape[::-1] == theirs[name].shape:
            reversed_.append(name)
            turned_stacks.add(stack)
        else:
            plain_stacks.add(stack)
    followers = [name for stack in turned_stacks - plain_stacks for name in square.get(stack, ())]
    return sorted(reversed_ + followers)
