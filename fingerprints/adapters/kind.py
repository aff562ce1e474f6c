"""What a kind of adapter has to offer: what it changes, by itself and where it is applied to a base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fingerprints.adapters.configuration import AdapterConfig
from fingerprints.checkpoint import Checkpoint
from fingerprints.readers.row_tensor import RowTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptedModule:
    """The parts of one adapter for one module of its base.

    `parts` maps a mark, such as `lora_A`, to the name of a tensor of `source`.
    """

    module: str
    source: Checkpoint
    parts: Mapping[str, str]
    config: AdapterConfig = field(default_factory=AdapterConfig)

    def shape(self, mark: str) -> tuple[int, ...]:
        """Shape of a part."""
        return self.source.tensors[self.parts[mark]].shape


class DoesNotFitError(ValueError):
    """An adapter's part cannot be applied to a tensor; the text says why, with sizes."""


class AdapterKind(Protocol):
    """One kind of adapter. It keeps no state, and reads no tensor data until rows are asked for."""

    @property
    def name(self) -> str:
        """The field's name of it."""
        ...

    def holds(self, module: AdaptedModule) -> bool:
        """Whether the parts of a module are complete, and of this kind."""
        ...

    def describe(self, module: AdaptedModule) -> Mapping[str, Any]:
        """Return its rank, scale and the like: plain data."""
        ...

    def alone(self, module: AdaptedModule) -> Iterator[RowTensor]:
        """Yield what the adapter holds for a module in a form that no choice of basis changes."""
        ...

    def applied(self, module: AdaptedModule, base: RowTensor) -> RowTensor | None:
        """Return a tensor of the base with the adapter applied, by the same name; None where it leaves it alone.

        Raises
        ------
        DoesNotFitError
            When the sizes contradict each other, or the scale is not known.
        """
        ...
