"""Layout `turned`: matrices stored with inputs first where the other side stores outputs first.

| stored | other side | told by |
|---|---|---|
| Conv1D of GPT-2 `weight` [in, out] | Linear [out, in] | roles, and the length of the residual stream |
| `kernel` of Flax and Keras (see `kernel_axes`) | `weight` with outputs first | shapes, else the leaf |
| any matrix | the matrix of the same name | reversed shapes |

A `kernel` is not always stored with inputs first (transformers' FlaxConv1D keeps outputs first): the length of the
residual stream tells first, then the shape of its namesake on the other side, then the others of its stack of layers,
and only then the leaf. Square matrices follow the others of their stack of layers. A side is turned to outputs
first where roles or leaves tell which that is. Nothing here depends on which side is called A. Sources: `Conv1D` in
https://github.com/huggingface/transformers/blob/main/src/transformers/pytorch_utils.py, `FlaxConv1D` in
https://github.com/huggingface/transformers/blob/v4.50.0/src/transformers/models/gpt2/modeling_flax_gpt2.py and
https://flax.readthedocs.io/en/latest/guides/converting_and_upgrading/convert_pytorch_to_flax.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from fingerprints.anatomy import Part, PartKind, under
from fingerprints.checkpoint import TensorInfo
from fingerprints.layouts.kernel_axes import ORDERS, KernelAxes, axes_of, plain, projections
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.views import Flattened, Turned, seen_as
from fingerprints.templates import pieces, templates

_LEAF = re.compile(r"(?<![^.])((?P<what>depthwise|pointwise|recurrent)_)?kernel$")


class TurnedMatrices:
    """See the module."""

    name = "turned"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """One view a matrix that is turned."""
        told = _told(side, other)
        if not told and other is not None and not _told(other, side):
            told = {name: name for name in _by_name(side, other)}
        tensors = side.checkpoint.tensors
        facing = _shapes(other)
        collected = Collected(side)
        for name, shown in told.items():
            if not tensors[name].size:
                continue
            axes = axes_of(name, tensors, facing) if _LEAF.search(name) else plain(tensors[name].shape)
            if axes is not None and collected.add(_turn(tensors[name], shown, axes)):
                for bias in _by_heads(name, tensors):
                    collected.add(bias)
        return collected.relaying()


def _told(side: LayoutSide, other: LayoutSide | None) -> dict[str, str]:
    """What leaves and roles say is to be turned: new names by stored names."""
    kernels = {name: _as_weight(name, side) for name in _kernels(side, other)}
    return {part.name: part.name for part in _by_role(side, other)} | kernels


def _shapes(side: LayoutSide | None) -> frozenset[tuple[int, ...]]:
    return frozenset(info.shape for info in side.checkpoint.tensors.values()) if side else frozenset()


def _turn(info: TensorInfo, name: str, axes: KernelAxes) -> Fit:
    view = Turned(
        info=seen_as(info, name, axes.shape, "turned"), source=info.name, folded=axes.folded, order=axes.order
    )
    return Fit(replaced=(info.name,), views=(view,))


def _by_heads(kernel: str, tensors: Mapping[str, TensorInfo]) -> list[Fit]:
    """The bias of an attention's projection, stored [head, size], as the vector that it is elsewhere."""
    bias = tensors.get(f"{kernel.rpartition('.')[0]}.bias")
    if bias is None or len(bias.shape) != 2 or kernel not in {info.name for info in projections(kernel, tensors)}:
        return []
    shown = seen_as(bias, bias.name, (bias.size,), "flat")
    return [Fit(replaced=(bias.name,), views=(Flattened(info=shown, source=bias.name),))]


def _as_weight(kernel: str, side: LayoutSide) -> str:
    """The name as a weight; of the two kernels of a separable convolution each keeps what it is."""
    module, _, leaf = kernel.rpartition(".")
    if leaf == "depthwise_kernel" and f"{module}.pointwise_kernel" not in side.checkpoint.tensors:
        leaf = "kernel"
    return ".".join(filter(None, (module, leaf.removesuffix("kernel") + "weight")))


def _kernels(side: LayoutSide, other: LayoutSide | None) -> list[str]:
    """Tensors called `kernel` that have inputs first, where the other side calls none so."""
    if other is not None and any(_LEAF.search(name) for name in other.checkpoint.tensors):
        return []
    tensors = side.checkpoint.tensors
    found = {name: info for name, info in tensors.items() if _LEAF.search(name) and len(info.shape) in ORDERS}
    if not found:
        return []
    stacks = {name: _stack(template) for name, (template, _) in templates(found).items()}
    by_namesake = _by_namesake(found, side, other) if other else {}
    by_stack: dict[str, set[bool]] = defaultdict(set)
    for name, turned in by_namesake.items():
        by_stack[stacks[name]].add(turned)
    output_first = _output_first(side)

    def has_inputs_first(name: str) -> bool:
        if any(under(name, path) for path in output_first):
            return False
        if name in by_namesake:
            return by_namesake[name]
        return by_stack[stacks[name]] != {False}

    return [name for name in found if has_inputs_first(name)]


def _by_namesake(kernels: Mapping[str, TensorInfo], side: LayoutSide, other: LayoutSide) -> dict[str, bool]:
    """Whether a kernel must be turned to have the shape of the other side's `weight`, where one of the two fits."""
    found: dict[str, bool] = {}
    facing = _shapes(other)
    for name, info in kernels.items():
        namesake = other.checkpoint.tensors.get(_as_weight(name, side))
        axes = axes_of(name, side.checkpoint.tensors, facing) if namesake else None
        if namesake is None or axes is None or info.shape == axes.shape:
            continue
        if namesake.shape in (info.shape, axes.shape):
            found[name] = namesake.shape == axes.shape
    return found


def _output_first(side: LayoutSide) -> set[str]:
    """Paths of the stacks all of whose kernels have outputs first by the length of the residual stream."""
    shown: dict[str, set[bool]] = defaultdict(set)
    for name, part in side.anatomy.parts.items():
        square = len(set(part.shape)) < 2
        if name.endswith(".kernel") and part.layer is not None and part.axes and not square:
            shown[part.tower].add(part.transposed)
    return {path for path, transposed in shown.items() if transposed == {False}}


def _stack(template: str) -> str:
    """Path of the modules that are numbered alike; the template's own where nothing is numbered."""
    return pieces(template)[0]


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
    """Matrices whose namesakes have the reversed shape, and the square ones of the same stacks.

    Empty on the side that is left as it is. Nothing tells which side has outputs first: the one whose first such
    matrix is longer than wide is turned, so that the order of the arguments does not matter.
    """
    mine, theirs = side.anatomy.parts, other.anatomy.parts
    reversed_: list[str] = []
    square: dict[str, list[str]] = {}
    turned_stacks: set[str] = set()
    plain_stacks: set[str] = set()
    for name in mine.keys() & theirs.keys():
        shape = mine[name].shape
        if len(shape) != 2 or 1 in shape or len(theirs[name].shape) != 2:
            continue
        stack = _stack(mine[name].template)
        if shape[0] == shape[1]:
            if mine[name].index and theirs[name].shape == shape:
                square.setdefault(stack, []).append(name)
        elif shape[::-1] == theirs[name].shape:
            reversed_.append(name)
            turned_stacks.add(stack)
        else:
            plain_stacks.add(stack)
    if not reversed_ or mine[min(reversed_)].shape[0] < mine[min(reversed_)].shape[1]:
        return []
    followers = [name for stack in turned_stacks - plain_stacks for name in square.get(stack, ())]
    return sorted(reversed_ + followers)
