"""What the axes of a `kernel` of Flax or Keras are, and what PyTorch's `weight` makes of them.

| kernel | weight | told by |
|---|---|---|
| dense [in, out] | [out, in] | two axes |
| convolution [W, in, out], [H, W, in, out], [D, H, W, in, out] | [out, in, W], … | three to five axes |
| depthwise [H, W, channel, times] | [channel · times, 1, H, W] | leaf, module or bias, else the other side's shapes |
| attention's queries, keys, values [in, head, size] | [head · size, in] | three of these names side by side |
| attention's output [head, size, out] | [out, head · size] | beside those, with their heads |

https://keras.io/api/layers/convolution_layers/depthwise_convolution2d/ and
https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html (`MultiHeadDotProductAttention`)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

from fingerprints.checkpoint import TensorInfo

Shape = tuple[int, ...]

ORDERS: Mapping[int, Shape] = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1), 5: (4, 3, 0, 1, 2)}
"""Axes of a dense kernel or a convolution's in the order of PyTorch, by how many there are."""
PROJECTIONS = ("query", "key", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelAxes:
    """How a kernel becomes a weight: its axes after the first folded as `folded`, put in `order`, seen as `shape`."""

    folded: Shape
    order: Shape
    shape: Shape


def plain(shape: Shape) -> KernelAxes | None:
    """Of a dense layer or a convolution; None for other numbers of axes."""
    order = ORDERS.get(len(shape))
    if order is None:
        return None
    return KernelAxes(folded=shape, order=order, shape=tuple(shape[axis] for axis in order))


def axes_of(name: str, tensors: Mapping[str, TensorInfo], facing: Collection[Shape]) -> KernelAxes | None:
    """What a kernel is by its name, by what lies beside it, and by the shapes that there are on the other side.

    Parameters
    ----------
    name : str
        Of a tensor whose leaf ends in `kernel`.
    tensors : mapping
        All tensors of the checkpoint.
    facing : collection of tuple of int
        Shapes of the other side; empty where there is none.
    """
    shape = tensors[name].shape
    if len(shape) == 3 and (found := _attention(name, tensors)):
        return found
    if len(shape) in (3, 4) and _is_depthwise(name, tensors, facing):
        *space, channels, times = shape
        last = len(space)
        return KernelAxes(
            folded=(*space, channels * times), order=(last, *range(last)), shape=(channels * times, 1, *space)
        )
    return plain(shape)


def projections(name: str, tensors: Mapping[str, TensorInfo]) -> tuple[TensorInfo, ...]:
    """The kernels of queries, keys and values beside a kernel or bias, by name; empty where there are no such three."""
    module = name.rpartition(".")[0]
    block = module.rpartition(".")[0]
    endings = {module.removeprefix(block).lstrip(".").partition("_")[2], "", "dense", "proj"}
    for ending in sorted(endings):
        stems = (f"{one}_{ending}" if ending else one for one in PROJECTIONS)
        found = tuple(
            tensors[at] for stem in stems if (at := f"{block}.{stem}.kernel" if block else f"{stem}.kernel") in tensors
        )
        if len(found) == len(PROJECTIONS) and all(len(info.shape) == 3 for info in found):
            return found
    return ()


def _attention(name: str, tensors: Mapping[str, TensorInfo]) -> KernelAxes | None:
    three = projections(name, tensors)
    shape = tensors[name].shape
    if any(info.name == name for info in three):
        rest = prod(shape[1:])
        return KernelAxes(folded=(shape[0], rest), order=(1, 0), shape=(rest, shape[0]))
    if three and shape[1] == three[2].shape[2] and shape[0] == three[0].shape[1]:
        return KernelAxes(folded=shape, order=(2, 0, 1), shape=(shape[2], shape[0] * shape[1]))
    return None


def _is_depthwise(name: str, tensors: Mapping[str, TensorInfo], facing: Collection[Shape]) -> bool:
    """Whether each channel has filters of its own: a bias for each of these says so where there is one."""
    module, _, leaf = name.rpartition(".")
    *space, channels, times = tensors[name].shape
    bias = tensors.get(f"{module}.bias")
    if leaf != "kernel" or "depthwise" in module:
        return leaf != "pointwise_kernel"
    if bias is not None and len(bias.shape) == 1:
        return bias.shape[0] == channels * times != times
    return (channels * times, 1, *space) in facing and (times, channels, *space) not in facing
