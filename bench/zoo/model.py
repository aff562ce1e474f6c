"""A checkpoint in memory, and the change of basis that most transformations of it are.

In a change of basis of a space (see `layouts`) x becomes Mx: what writes x is multiplied by M, and what reads it by the
inverse of M. All arithmetic is in the tensors' own precision, float64 as `Model.read` gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.zoo import folder
from bench.zoo.layouts import layout
from bench.zoo.layouts.space import Layout, Parts, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A checkpoint on its way through transformations.

    `names` gives the present name of each tensor of the parent; `layer_map` the parent's layer for each present one,
    -1 for an inserted one; `ids` the present token id of each of the parent's ids. The latter two are None while
    nothing has moved.
    """

    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]
    names: Mapping[str, str]
    layer_map: tuple[int, ...] | None = None
    ids: Tensor | None = None

    @classmethod
    def read(cls, place: Path) -> Model:
        """The checkpoint of a folder, in float64."""
        tensors = folder.weights(place)
        exact = {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}
        return cls(tensors=exact, config=folder.config(place), names={name: name for name in tensors})

    @property
    def layout(self) -> Layout:
        """Where its spaces are."""
        return layout(self.config, self.tensors)

    @property
    def residual(self) -> Space:
        """Its residual stream; an error where there is none."""
        if self.layout.residual is None:
            raise ValueError(f"a {self.config['model_type']} model has no residual stream of one width")
        return self.layout.residual

    def updated(self, tensors: Mapping[str, Tensor]) -> Model:
        """The model with some tensors replaced or added."""
        return replace(self, tensors={**self.tensors, **tensors})

    def configured(self, **settings: Any) -> Model:
        """The model with some settings of its config replaced."""
        return replace(self, config={**self.config, **settings})

    def renamed(self, rename: Callable[[str], str]) -> Model:
        """The model with every tensor under another name."""
        tensors = {rename(name): value for name, value in self.tensors.items()}
        return replace(self, tensors=tensors, names={parent: rename(now) for parent, now in self.names.items()})


def multiply(model: Model, matrix: Tensor, parts: Parts) -> Model:
    """Multiply all parts by `matrix`, (n, n), along their axes."""
    tensors: dict[str, Tensor] = {}
    for part in parts:
        whole = tensors.get(part.name, model.tensors[part.name]).clone()
        block = whole.narrow(part.axis, part.start, len(matrix))
        block.copy_(torch.tensordot(matrix.to(whole), block, dims=([1], [part.axis])).movedim(0, part.axis))
        tensors[part.name] = whole
    return model.updated(tensors)


def change(model: Model, matrix: Tensor, written: Parts, read: Parts) -> Model:
    """Change the basis of a space: x becomes Mx."""
    return multiply(multiply(model, matrix, written), torch.linalg.inv(matrix).T, read)
