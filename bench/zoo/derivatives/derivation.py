"""What a derivative is: how it is made, from what, and the truth about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of a derivative (B) beside its first parent (A).

    `kinds` are operations in the terms of the result's `verdict.kinds`, in the order in which they were done, each with
    its parameters; `transforms` are disguises that keep the function; `renames` gives the derivative's name of each
    tensor of the parent that got another one; `layer_map` gives, for each layer of the derivative, the parent's;
    `parents` are those of a merge with their weights; `details` is what else somebody may want to know.
    """

    relation: str = "derived"
    kinds: tuple[Mapping[str, Any], ...] = ()
    direction: str = "a_to_b"
    transforms: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    layer_map: tuple[int, ...] | None = None
    parents: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One derivative.

    `transform` is what was done, the same for all families; `tool` did it. `parents` are names of bases or of other
    derivatives. `make` reads the parents' folders, writes the checkpoint to the folder given last and returns the
    truth. `covered` says that the signals there are today are meant to see it.
    """

    name: str
    transform: str
    tool: str
    parents: tuple[str, ...]
    make: Callable[[Sequence[Path], Path], Truth]
    covered: bool = True
