"""The spaces of a model: which tensors of its state dict write to each and which read from it.

A space is the set of activations on one axis: the residual stream, the neurons of an MLP, the channels of a stage. What
writes to it has that axis at its output, what reads from it has it at its input; a change of basis of the space is a
change of exactly these tensors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]
Names = Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The space's axis in one tensor, from `start` on where several spaces are fused."""

    name: str
    axis: int = 0
    start: int = 0


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A space of `size` dimensions. `gains` multiply it dimension by dimension: they follow permutations only."""

    size: int
    written: Parts
    read: Parts
    gains: Parts = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The attention of one layer: `heads` query heads that share `groups` of keys and values, each `size` wide."""

    query: Parts
    key: Parts
    value: Parts
    output: Parts
    heads: int
    groups: int
    size: int
    rotary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A normalisation before the weights that read it; `biases` are theirs, in the same order, if they have any."""

    gain: str
    read: Parts
    bias: str | None = None
    biases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """The experts of one layer: the rows of the router and, for each expert, what its names begin with."""

    router: Part
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All spaces of a model.

    `hidden` are neurons of MLPs, which can be permuted; `linear` are the same neurons where they are linear in what
    writes to them (up and down of a gated MLP), so that they can be scaled. `vocabulary` are the rows of the embedding
    and of an untied head, and a bias of the head. `layer` gives the beginning of a layer's names from its number.
    """

    residual: Space | None = None
    hidden: tuple[Space, ...] = ()
    linear: tuple[Space, ...] = ()
    channels: tuple[Space, ...] = ()
    attention: tuple[Attention, ...] = ()
    norms: tuple[Norm, ...] = ()
    experts: tuple[Experts, ...] = ()
    vocabulary: Parts = ()
    embedding: str = ""
    head: str = ""
    layer: str = ""


def outputs(name: str, names: Names) -> Parts:
    """The outputs of a linear layer, or of a normalisation, [out, in] and [out]."""
    return present(names, Part(name=f"{name}.weight"), Part(name=f"{name}.bias"))


def present(names: Names, *parts: Part) -> Parts:
    """Those of the parts whose tensors there are."""
    return tuple(part for part in parts if part.name in names)
