"""Modules whose packed weight is in tensors with names of their own below one prefix: `x.qweight`, `x.scales`, …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fingerprints.checkpoint import Encoding, TensorInfo
from fingerprints.readers.decoded_tensor import Decode
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import assembled, described, refused
from fingerprints.readers.row_tensor import RowTensor

Parts = Mapping[str, RowTensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """The parts of a weight by their names in the module, and the `prefix`, with its dot, that these go with."""

    prefix: str
    parts: Parts

    @property
    def name(self) -> str:
        """What the weight is called."""
        return f"{self.prefix}weight"

    def described(self, shape: tuple[int, ...], encoding: Encoding) -> TensorInfo:
        """Describe the weight that the parts make up."""
        tensors = self._tensors()
        return described(self.name, tensors, tuple(tensors), shape, encoding)

    def assembled(
        self, shape: tuple[int, ...], encoding: Encoding, *, decode: Decode, row_bytes: int | None
    ) -> Unpacked:
        """Return the weight; see `fingerprints.readers.packed.weight`."""
        tensors = self._tensors()
        return assembled(
            self.name, tensors, tuple(tensors), shape=shape, encoding=encoding, decode=decode, row_bytes=row_bytes
        )

    def refused(self, scheme: str, reason: str) -> Unpacked:
        """Return a weight that cannot be read for a reason; its bits are those of the first part's elements."""
        tensors = self._tensors()
        first = next(iter(self.parts.values())).info
        encoding = Encoding(scheme=scheme, bits=8 * first.nbytes / max(first.size, 1))
        return refused(self.name, tensors, tuple(tensors), encoding=encoding, reason=reason)

    def mismatch(self, kinds: Mapping[str, Sequence[str]]) -> str:
        """Return which part is no matrix of the types it should be of; empty if all are."""
        for part, types in kinds.items():
            info = self.parts[part].info
            if info.dtype not in types or len(info.shape) != 2:
                return f"its {part} is {info.dtype} of shape {info.shape}, not a matrix of {' or '.join(types)}"
        return ""

    def _tensors(self) -> Tensors:
        return {self.prefix + part: tensor for part, tensor in self.parts.items()}


def modules_with(tensors: Tensors, first: str, *others: str, optional: Sequence[str] = ()) -> Iterator[Module]:
    """Yield every module that has `first` and all `others`.

    A module is left out if its weight would take the name of a tensor that is not among its parts.
    """
    for name in tensors:
        prefix, dot, last = name.rpartition(".")
        if last != first:
            continue
        at = prefix + dot
        if all(at + other in tensors for other in others) and (first == "weight" or f"{at}weight" not in tensors):
            names = (first, *others, *(other for other in optional if at + other in tensors))
            yield Module(prefix=at, parts={part: tensors[at + part] for part in names})
