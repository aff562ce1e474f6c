"""A plain classifier of digits with three hidden layers."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

WIDTHS = (64, 96, 96, 64, 10)


class MLP(nn.Module):
    """`fc1` … `fc4` with ReLU between."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate(itertools.pairwise(WIDTHS), start=1):
            layer = nn.Linear(inputs, outputs)
            bound = 1 / math.sqrt(inputs)
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
            self.add_module(f"fc{number}", layer)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the ten digits, (batch, 10)."""
        x = images.flatten(1)
        first, *others = self.children()
        x = first(x)
        for layer in others:
            x = layer(F.relu(x))
        return x

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Mean cross entropy, nats."""
        images, labels = batch
        return F.cross_entropy(self(images), labels)


def build(generator: torch.Generator) -> MLP:
    """An untrained network; uniform weights and biases as `nn.Linear` has them."""
    return MLP(generator)
