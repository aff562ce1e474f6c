"""Layout `recurrent`: cells of Keras' LSTM, GRU and SimpleRNN, seen as PyTorch stores them.

| Keras | PyTorch | what is done |
|---|---|---|
| `kernel` [in, gates · units] | `weight_ih_l0` [gates · units, in] | turned; GRU: update and reset change places |
| `recurrent_kernel` [units, gates · units] | `weight_hh_l0` | the same |
| LSTM, SimpleRNN `bias` [gates · units] | `bias_ih_l0`, `bias_hh_l0` | one `bias_l0`, PyTorch's two added |
| GRU `bias` [2, gates · units] | `bias_ih_l0`, `bias_hh_l0` | row by row |

Only where the other side has PyTorch's names. Gates are counted: columns over units. The order of an LSTM's is the same
in both. A GRU with a single bias computes something that PyTorch's does not; its bias is left as it is.
https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/gru.py and
https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fingerprints.checkpoint import TensorInfo
from fingerprints.layouts.kernel_axes import plain
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.row_map import block
from fingerprints.layouts.views import Added, Flattened, PartOfRows, Reordered, Turned, View, seen_as

_RECURRENT = "recurrent_kernel"
_TORCH = re.compile(r"(?P<module>(.+\.)?)weight_hh(?P<layer>(_l[0-9]+)?(_reverse)?)")
_CELL = re.compile(r"\.?([A-Za-z0-9_]*_)?cell(_[0-9]+)?$")
_DIRECTIONS = {"forward": "", "backward": "_reverse"}
_GATES = {1: "rnn", 3: "gru", 4: "lstm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A recurrent cell of Keras: its tensors, its module and layer as PyTorch would call them, and how many gates."""

    kernel: TensorInfo
    recurrent: TensorInfo
    bias: TensorInfo | None
    module: str
    layer: str
    gates: int

    @property
    def units(self) -> int:
        return self.recurrent.shape[0]


class Recurrent:
    """See the module."""

    name = "recurrent"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """Views of Keras' cells; where the other side has such cells, sums of PyTorch's biases."""
        collected = Collected(side)
        ours, theirs = any(_torch_modules(side)), other is None or any(_torch_modules(other))
        if theirs and not ours:
            for cell in _cells(side):
                for fit in _as_torch(cell):
                    collected.add(fit)
        elif ours and other is not None and not theirs and any(_has_one_bias(cell) for cell in _cells(other)):
            for fit in _sums(side):
                collected.add(fit)
        return collected.relaying()


def _cells(side: LayoutSide) -> Iterator[_Cell]:
    tensors = side.checkpoint.tensors
    for name, recurrent in tensors.items():
        path, _, leaf = name.rpartition(".")
        kernel = tensors.get(f"{path}.kernel")
        if leaf != _RECURRENT or kernel is None or len(recurrent.shape) != 2 or len(kernel.shape) != 2:
            continue
        units, columns = recurrent.shape
        gates = columns // units if units else 0
        if gates not in _GATES or columns != gates * units or kernel.shape[1] != columns:
            continue
        module, direction = _place(path)
        layer = f"_l0{direction}"
        bias = tensors.get(f"{path}.bias")
        yield _Cell(kernel=kernel, recurrent=recurrent, bias=bias, module=module, layer=layer, gates=gates)


def _place(path: str) -> tuple[str, str]:
    """The path of a cell without the cell, and the direction that a bidirectional layer runs it in."""
    module = _CELL.sub("", path) or path
    above, _, last = module.rpartition(".")
    direction = _DIRECTIONS.get(last.partition("_")[0])
    return (module, "") if direction is None or not above else (above, direction)


def _as_torch(cell: _Cell) -> Iterator[Fit]:
    for info, what in ((cell.kernel, "weight_ih"), (cell.recurrent, "weight_hh")):
        axes = plain(info.shape)
        if axes is not None:
            shown = seen_as(info, f"{cell.module}.{what}{cell.layer}", axes.shape, "turned")
            turned = Turned(info=shown, source=info.name, folded=axes.folded, order=axes.order)
            yield Fit(replaced=(info.name,), views=(_in_order(turned, cell),))
    bias, length = cell.bias, cell.gates * cell.units
    if bias is None:
        return
    if _has_one_bias(cell):
        rows = block(0, length)
        shown = seen_as(bias, f"{cell.module}.bias{cell.layer}", (length,), rows.label)
        yield Fit(replaced=(bias.name,), views=(PartOfRows(info=shown, source=bias.name, rows=rows),))
    elif bias.shape == (2, length):
        flat = Flattened(info=seen_as(bias, bias.name, (2 * length,), "flat"), source=bias.name)
        names = (f"{cell.module}.bias_{which}{cell.layer}" for which in ("ih", "hh"))
        views = tuple(
            _in_order(flat, cell, start=row * length, info=seen_as(bias, name, (length,), f"row{row}"))
            for row, name in enumerate(names)
        )
        yield Fit(replaced=(bias.name,), views=views)


def _in_order(view: View, cell: _Cell, *, start: int = 0, info: TensorInfo | None = None) -> View:
    """The view with PyTorch's order of gates: GRU has reset first, Keras update."""
    if cell.gates != 3 and info is None:
        return view
    order = (1, 0, 2) if cell.gates == 3 else tuple(range(cell.gates))
    return Reordered(info=info or view.info, of=view, start=start, run=cell.units, order=order)


def _has_one_bias(cell: _Cell) -> bool:
    return cell.bias is not None and cell.gates != 3 and cell.bias.shape == (cell.gates * cell.units,)


def _torch_modules(side: LayoutSide) -> Iterator[tuple[str, str, TensorInfo]]:
    """Module, layer and recurrent weight of PyTorch's cells."""
    for name, info in side.checkpoint.tensors.items():
        if (found := _TORCH.fullmatch(name)) and len(info.shape) == 2:
            yield found["module"], found["layer"], info


def _sums(side: LayoutSide) -> Iterator[Fit]:
    tensors = side.checkpoint.tensors
    for module, layer, recurrent in _torch_modules(side):
        one, other = (tensors.get(f"{module}bias_{which}{layer}") for which in ("ih", "hh"))
        if one is None or other is None or recurrent.shape[0] not in (recurrent.shape[1], 4 * recurrent.shape[1]):
            continue
        if one.shape == other.shape == recurrent.shape[:1] and one.dtype == other.dtype:
            shown = seen_as(one, f"{module}bias{layer}", one.shape, "sum")
            yield Fit(replaced=(one.name, other.name), views=(Added(info=shown, terms=(one.name, other.name)),))
