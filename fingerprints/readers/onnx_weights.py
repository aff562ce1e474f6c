"""The weights of an ONNX model as a PyTorch module would hold them: dequantised, outputs first, gates in order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Final

from fingerprints.checkpoint import Finding
from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.onnx_blocks import unpacked
from fingerprints.readers.onnx_data import HALVES, STRING, TensorData, transposed
from fingerprints.readers.onnx_graph import Model, TensorProto
from fingerprints.readers.onnx_lstm import split_recurrent
from fingerprints.readers.onnx_quantised import Halves, dequantised
from fingerprints.readers.onnx_use import Quantisation, Use
from fingerprints.readers.onnx_uses import find_uses
from fingerprints.readers.quoting import quoted
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile
from fingerprints.readers.stored_tensor import StoredTensor

_MARK: Final = re.compile(r"(?P<base>.+?)(_quantized|_quant|_q|_int8|_uint8|_Q[248]\w*)$")
"""Names that quantisers give to integers that take the place of a weight."""
_INTEGERS: Final = (2, 3)
_PRODUCT: Final = re.compile(r"(Fused)?(MatMul|Gemm)(Integer|NBits)?(_\w+)?")


class Weights:
    """Tensors of a model by name, and what was done to show them.

    Raises
    ------
    CorruptCheckpoint
        When a name occurs twice, or external data is not in the folder.
    """

    def __init__(self, model: Model, source: SourceFile, shard: str) -> None:
        self.tensors: dict[str, RowTensor] = {}
        self._source, self._shard = source, shard
        self._data = TensorData(source, shard)
        self._protos: dict[str, TensorProto] = {}
        for proto in model.tensors():
            if proto.key in self._protos:
                raise self._twice(proto.key)
            self._protos[proto.key] = proto
        self._uses = find_uses(model)
        self._by_mark = self._marked()
        self._swapped: list[str] = []
        self._decoded: list[str] = []
        self._split: list[str] = []
        self._restored: list[str] = []
        self._names = self._restore()
        gone = self._parts()
        for proto in self._protos.values():
            if proto.data_type != STRING and proto.key not in gone and proto.listed:
                self._show(proto)

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The files beside the model that tensors lie in."""
        return self._data.sources

    @property
    def findings(self) -> list[Finding]:
        """How many weights are shown otherwise than they are stored, and why."""
        told = (
            ("transposed", self._swapped, "stored as inputs by outputs, shown as outputs by inputs"),
            ("packed", self._decoded, "stored as integers with a scale, decoded as they are read"),
            (
                "names-restored",
                self._restored,
                "named after their bias or their node, as the exporter had renamed them",
            ),
            ("recurrent", self._split, "weights of recurrent layers, shown one direction each with PyTorch's gates"),
        )
        return [
            Finding(code=code, subject=names[0] if len(names) == 1 else f"{len(names)} tensors", message=message)
            for code, names, message in told
            if names
        ]

    def _marked(self) -> dict[str, Quantisation]:
        """Integers without a scale in the graph whose name and neighbours say that they have one."""
        found: dict[str, Quantisation] = {}
        for key, proto in self._protos.items():
            use = self._uses.get(key)
            if proto.data_type not in _INTEGERS or (use is not None and (use.quantised or use.packed)):
                continue
            for base in (key, _base(key)):
                if f"{base}_scale" in self._protos:
                    zero = f"{base}_zero_point"
                    found[key] = Quantisation(scale=f"{base}_scale", zero=zero if zero in self._protos else None)
                    break
        return found

    def _restore(self) -> dict[str, str]:
        """Names for matrices that lost their own, by key: exporters fold a transposition into a tensor of a new name,
        and keep those of its bias and its node.
        """
        found: dict[str, str] = {}
        for key, use in self._uses.items():
            if _base(key).endswith(".weight") or len(self._protos[key].dims) < 2:
                continue
            module = _module(use.node or "")
            if use.bias is not None and use.bias.endswith(".bias"):
                found[key] = use.bias.removesuffix("bias") + "weight"
            elif module is not None:
                found[key] = f"{module}.weight"
        times = Counter(found.values())
        return {key: name for key, name in found.items() if times[name] == 1 and name not in self._protos}

    def _known(self, key: str) -> Quantisation | None:
        use = self._uses.get(key)
        known = use.quantised if use is not None and use.quantised is not None else self._by_mark.get(key)
        return known if known is not None and known.scale != key and known.zero != key else None

    def _parts(self) -> set[str]:
        """Scales and zero points, which are no tensors of their own."""
        gone: set[str] = set()
        for key in self._protos:
            known, use = self._known(key), self._uses.get(key)
            if known is not None:
                gone |= {known.scale, known.zero or known.scale}
            if use is not None and use.packed is not None:
                gone |= {use.packed.scales, use.packed.zeros or use.packed.scales}
        return gone

    def _show(self, proto: TensorProto) -> None:
        use = self._uses.get(proto.key, Use())
        stored = self._data.stored(proto)
        known = self._known(proto.key)
        name = proto.key
        if known is not None or use.packed is not None:
            base = _base(name)
            name = base if base not in self._protos else name
        if proto.key in self._names:
            name = self._names[proto.key]
            self._restored.append(name)
        if known is not None or use.packed is not None:
            self._decoded.append(name)
        if use.packed is not None:
            zeros = None if use.packed.zeros is None else self._stored(use.packed.zeros)
            self._add(unpacked(stored, self._stored(use.packed.scales), zeros, use.packed, name=name))
            return
        if use.recurrent is not None and known is None and (pieces := split_recurrent(stored, use.recurrent)):
            self._split.append(name)
            for piece in pieces:
                self._add(piece)
            return
        swap = use.is_transposed and len(stored.info.shape) == 2 and stored.fault is None
        if swap:
            self._swapped.append(name)
        if known is not None:
            zero = None if known.zero is None else self._stored(known.zero)
            halves = _halves(proto, stored)
            zero_halves = None if zero is None or known.zero is None else _halves(self._protos[known.zero], zero)
            self._add(
                dequantised(
                    stored,
                    self._stored(known.scale),
                    zero,
                    known,
                    name=name,
                    swapped=swap,
                    halves=halves,
                    zero_halves=zero_halves,
                )
            )
        elif proto.data_type in HALVES:
            self._add(replace(stored, fault=stored.fault or "it holds integers of 4 bits without a scale"))
        else:
            stored = replace(stored, info=replace(stored.info, name=name))
            self._add(transposed(stored) if swap else stored)

    def _stored(self, key: str) -> StoredTensor:
        return self._data.stored(self._protos[key])

    def _add(self, tensor: RowTensor) -> None:
        if tensor.info.name in self.tensors:
            raise self._twice(tensor.info.name)
        self.tensors[tensor.info.name] = tensor

    def _twice(self, name: str) -> CorruptCheckpoint:
        return CorruptCheckpoint(
            f"{quoted(str(self._source.path))} has two tensors called {quoted(name)} among"
            f" {len(self._protos)} that were read",
            path=self._source.path,
            hint="the file is damaged or hostile; export the model anew",
        )


def _module(node: str) -> str | None:
    """The module that the name of a node says it is in: `/model/layers.0/mlp/up_proj/MatMul`; else None."""
    place, _, operator = node.rpartition("/")
    graph, _, path = place.partition("/")
    if not path or path.startswith("/") or not _PRODUCT.fullmatch(operator):
        return None
    return graph + path.replace("/", ".")


def _base(key: str) -> str:
    """The name of a weight without what its quantiser appended."""
    found = _MARK.fullmatch(key)
    return found["base"] if found else key


def _halves(proto: TensorProto, stored: StoredTensor) -> Halves | None:
    kind = HALVES.get(proto.data_type)
    return None if kind is None else Halves(stored=stored, shape=stored.info.shape, signed=kind == "I4")
