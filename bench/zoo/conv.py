"""A convolutional classifier of digits with batch normalisation, named as in torchvision."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

CHANNELS = (16, 32, 48)
CLASSES = 10


class ConvNet(nn.Module):
    """Three 3 x 3 convolutions, each with batch norm and ReLU; mean over the image; one linear layer."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate(zip((1, *CHANNELS), CHANNELS, strict=False), start=1):
            self.add_module(f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(outputs))
        self.fc = nn.Linear(CHANNELS[-1], CLASSES)
        for module in self.children():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        nn.init.normal_(self.fc.weight, 0.0, 0.05, generator=generator)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the ten digits, (batch, 10)."""
        for number in range(1, len(CHANNELS) + 1):
            x = F.relu(self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(x)))
            if number > 1:
                x = F.max_pool2d(x, 2)
        return self.fc(x.mean(dim=(2, 3)))

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Mean cross entropy, nats."""
        images, labels = batch
        return F.cross_entropy(self(images), labels)


def build(generator: torch.Generator) -> ConvNet:
    """An untrained network."""
    return ConvNet(generator)
