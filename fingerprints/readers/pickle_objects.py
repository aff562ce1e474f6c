"""What a pickle is turned into instead of the objects that it asks for: descriptions that do nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that the pickle refers to by name; it is never imported."""

    module: str
    name: str

    @property
    def qualified(self) -> str:
        """`module.name`."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Placeholder:
    """An object that the pickle would have built by calling `origin` with `args`.

    `state` is what it would have been given to restore itself from, `entries` and `items` what would have been put
    into it.
    """

    origin: Global
    args: tuple[Any, ...] = ()
    state: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Omitted:
    """Text or bytes too long to be kept."""

    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRef:
    """A storage beside the pickle: `length` elements of `dtype`, found under `key`.

    `dtype` is in the safetensors spelling; an untyped storage counts bytes and has `U8`. `start` is where a view of
    another storage begins in it, in elements; `fault` says why it cannot be read, if it cannot.
    """

    key: str
    dtype: str
    length: int
    start: int = 0
    untyped: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TensorView:
    """A tensor as a view of a storage; `offset` and `strides` count elements of `dtype`."""

    storage: StorageRef | None
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    fault: str | None = None
