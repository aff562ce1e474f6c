"""LoRA, rsLoRA and DoRA: a weight changes by the product of two thin matrices.

LoRA (https://arxiv.org/abs/2106.09685) adds s B A to W, for A of shape (rank, inputs), B of (outputs, rank) and a scale
s. DoRA (https://arxiv.org/abs/2402.09353) then gives each output the learned norm m: m (W + s B A) / |W + s B A|. The
factors are defined only up to an invertible matrix of their rank; the product is what they mean.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprints.adapters.borrowed import borrow
from fingerprints.adapters.kind import AdaptedModule, DoesNotFitError
from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor
from fingerprints.readers.row_tensor import RowTensor

Rows = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]

_BLOCK: Final = 1 << 24
"""Bytes of factors and of a base that are worked on at once."""
_FLOATS: Final = ("F64", "F32", "F16", "BF16")
_MAGNITUDE: Final = "lora_magnitude_vector"


class LowRank:
    """See the module."""

    name = "LoRA"

    def holds(self, module: AdaptedModule) -> bool:
        """Whether there are two factors of one rank, and neither is empty."""
        marks = _marks(module)
        if marks is None:
            return False
        a, b = (module.shape(mark) for mark in marks)
        return min(len(a), len(b)) > 1 and a[0] == b[1] and prod(b[2:]) == 1 and 0 not in (*a, *b)

    def describe(self, module: AdaptedModule) -> Mapping[str, Any]:
        """Return the type, the rank, and the scale that the configuration gives."""
        rank = _rank(module)
        kind = "DoRA" if _MAGNITUDE in module.parts else self.name
        if kind == self.name and module.config.values.get("use_rslora") is True:
            kind = "rsLoRA"
        return {"type": kind, "rank": rank, "scale": module.config.scale(module.module, rank)}

    def alone(self, module: AdaptedModule) -> Iterator[RowTensor]:
        """Yield the scaled product, in the layout of the weight that it is for, and the magnitudes of DoRA.

        A product of unknown scale is left unscaled.
        """
        product = _Product(module, scale=module.config.scale(module.module, _rank(module)) or 1.0)
        transposed = module.config.transposed or product.embedding
        shape = (product.inputs[0], product.outputs) if transposed else (product.outputs, *product.inputs)
        info = TensorInfo(
            name=f"{module.module}.weight",
            shape=shape,
            dtype="F32",
            shard=module.source.tensors[module.parts[product.b]].shard,
            nbytes=4 * prod(shape),
        )

        def decode(rows: Rows) -> tuple[Array, int]:
            with np.errstate(all="ignore"):
                values = product.rows(rows, transposed=transposed).astype(np.float32)
            return values.reshape(len(rows), *shape[1:]), 0

        yield DecodedTensor(info=info, decode=decode, row_bytes=None)
        if _MAGNITUDE in module.parts:
            yield borrow(module.source, module.parts[_MAGNITUDE], f"{module.module}.{_MAGNITUDE}")

    def applied(self, module: AdaptedModule, base: RowTensor) -> RowTensor | None:
        """Return W + s B A row by row, with the norms of DoRA."""
        info, rank = base.info, _rank(module)
        if info.name != f"{module.module}.weight":
            return None
        scale = module.config.scale(module.module, rank)
        product = _Product(module, scale=scale or 0.0)
        transposed = product.lies_transposed(info.shape, module.config.transposed)
        if scale is None:
            raise DoesNotFitError(
                f"it fits, but its scale is not known (rank {rank}; adapter_config.json does not say alpha)"
            )
        if info.dtype not in _FLOATS:
            raise DoesNotFitError(f"its base is stored as {info.dtype}, to which nothing can be added")
        changed = _Changed(base, product, transposed=transposed)
        if _MAGNITUDE in module.parts:
            changed = _Normed(base, product, transposed=transposed, magnitude=module.parts[_MAGNITUDE])
        return DecodedTensor(info=info, decode=changed.decode, row_bytes=None)


class _Product:
    """s B A, rows at a time; reads the rows of one factor and all of the other, which is thin."""

    def __init__(self, module: AdaptedModule, *, scale: float) -> None:
        marks = _marks(module)
        if marks is None:
            raise DoesNotFitError("a factor is missing")
        self.a, self.b = marks
        self.module = module
        self.scale = scale
        self.embedding = self.a.startswith("lora_embedding")
        self.rank, *inputs = module.shape(self.a)
        self.inputs = tuple(inputs)
        self.outputs = module.shape(self.b)[0]

    def lies_transposed(self, shape: tuple[int, ...], claimed: bool) -> bool:
        """Whether a weight of this shape is kept as (inputs, outputs); the claim decides where it is square.

        Raises
        ------
        DoesNotFitError
            When it has neither layout.
        """
        straight = shape == (self.outputs, *self.inputs)
        turned = len(self.inputs) == 1 and shape == (self.inputs[0], self.outputs)
        if not straight and not turned:
            raise DoesNotFitError(
                f"it changes a weight of {self.outputs} outputs and {self.inputs} inputs, and the base has {shape}"
            )
        return turned and (not straight or claimed or self.embedding)

    def rows(self, rows: Rows, *, transposed: bool) -> Matrix:
        """Rows of the product as float64, shape (len(rows), width).

        Sums run in the order of the rank, whatever the number of threads, which a matrix product does not promise.
        """
        source, parts = self.module.source, self.module.parts
        fixed, moving = (self.b, self.a) if transposed else (self.a, self.b)
        width = self.outputs if transposed else prod(self.inputs)
        found = np.zeros((len(rows), width))
        if transposed:
            mine = self._columns(parts[moving], rows)
            step = max(1, _BLOCK // (8 * self.rank))
            for start in range(0, width, step):
                stop = min(start + step, width)
                block = source.rows(parts[fixed], start, stop).astype(np.float64).reshape(stop - start, -1)
                found[:, start:stop] = np.einsum("ri,or->io", mine, block)
        else:
            mine = source.take(parts[moving], rows).astype(np.float64).reshape(len(rows), self.rank)
            step = max(1, _BLOCK // (8 * max(width, 1)))
            for start in range(0, self.rank, step):
                stop = min(start + step, self.rank)
                block = source.rows(parts[fixed], start, stop).astype(np.float64).reshape(stop - start, -1)
                found += np.einsum("kr,ri->ki", mine[:, start:stop], block)
        found *= self.scale
        return found

    def _columns(self, name: str, columns: Rows) -> Matrix:
        """Columns of the factor A, shape (rank, len(columns)); it is read a few rows at a time."""
        found = np.empty((self.rank, len(columns)))
        step = max(1, _BLOCK // (8 * max(prod(self.inputs), 1)))
        for start in range(0, self.rank, step):
            stop = min(start + step, self.rank)
            found[start:stop] = self.module.source.rows(name, start, stop)[:, columns]
        return found


class _Changed:
    """W + s B A."""

    def __init__(self, base: RowTensor, product: _Product, *, transposed: bool) -> None:
        self.base = base
        self.product = product
        self.transposed = transposed

    def decode(self, rows: Rows) -> tuple[Array, int]:
        """Rows in the type of the base, and the bytes read for them where the factors' reader does not count them."""
        with np.errstate(all="ignore"):
            values, count, kind = self.changed(rows)
            return values.reshape(len(rows), *self.base.info.shape[1:]).astype(kind), count

    def changed(self, rows: Rows) -> tuple[Matrix, int, np.dtype[Any]]:
        """Rows as float64, shape (len(rows), width), the bytes read, and the type of the base."""
        stored, count = self.base.take(rows)
        values = self.product.rows(rows, transposed=self.transposed)
        values += stored.astype(np.float64).reshape(values.shape)
        return values, count, stored.dtype


class _Normed(_Changed):
    """W + s B A, each output brought to a learned norm; outputs are rows, or columns of a transposed weight."""

    def __init__(self, base: RowTensor, product: _Product, *, transposed: bool, magnitude: str) -> None:
        super().__init__(base, product, transposed=transposed)
        source = product.module.source
        self.magnitude = magnitude
        if source.tensors[magnitude].size != product.outputs:
            raise DoesNotFitError(f"it has {source.tensors[magnitude].size} magnitudes for {product.outputs} outputs")
        self._norms: Matrix | None = None
        self._lock = threading.Lock()

    def changed(self, rows: Rows) -> tuple[Matrix, int, np.dtype[Any]]:
        """As `_Changed`, then normed; a transposed weight is read once in full for the norms of its columns."""
        values, count, kind = super().changed(rows)
        blocks = self.product.module.source.blocks(self.magnitude)
        magnitudes = np.concatenate([block.astype(np.float64) for block in blocks])
        magnitudes = magnitudes.reshape(-1)
        if self.transposed:
            values *= magnitudes / self._column_norms()
        else:
            values *= magnitudes[rows, None] / np.linalg.norm(values, axis=1, keepdims=True)
        return values, count, kind

    def _column_norms(self) -> Matrix:
        with self._lock:
            if self._norms is None:
                squares = np.zeros(self.product.outputs)
                step = max(1, _BLOCK // (8 * self.product.outputs))
                for start in range(0, self.base.row_count, step):
                    rows = np.arange(start, min(start + step, self.base.row_count), dtype=np.int64)
                    squares += np.square(super().changed(rows)[0]).sum(axis=0)
                self._norms = np.sqrt(squares)
            return self._norms


def _marks(module: AdaptedModule) -> tuple[str, str] | None:
    """Return the marks of the factors A and B that a module has."""
    for marks in (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B")):
        if all(mark in module.parts for mark in marks):
            return marks
    return None


def _rank(module: AdaptedModule) -> int:
    marks = _marks(module)
    return module.shape(marks[0])[0] if marks else 0
