"""Real images to train on: scikit-learn's copy of the UCI handwritten digits (1,797 of 8 x 8 pixels, CC BY 4.0)."""

from __future__ import annotations

from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor


@cache
def images() -> tuple[Tensor, Tensor]:
    """All images, (1797, 1, 8, 8) in -1..1, and their digits, (1797,)."""
    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).float().unsqueeze(1) / 8 - 1
    return pixels, torch.from_numpy(bunch.target).long()


def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sixty-four random images with their digits."""
    pixels, labels = images()
    chosen = torch.randint(len(labels), (64,), generator=generator)
    return pixels[chosen], labels[chosen]
