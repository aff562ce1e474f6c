"""The one training loop: AdamW, warm-up and cosine, seeded, resumable.

A run's initialisation and data order come from two generators of their own, so that runs of different seeds are
independent draws and a run gives the same weights however often it is interrupted.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

Batch = Callable[[torch.Generator], Tensor]
"""Draws one batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How long and how fast to train; `clip` bounds the gradient's norm."""

    steps: int
    rate: float
    warmup: int = 20
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a tenth of the peak."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def generator(*labels: str | int) -> torch.Generator:
    """Generator seeded by its labels: `generator("llama", 3, "init")` has a stream of its own."""
    seed = hashlib.sha256("/".join(map(str, labels)).encode()).digest()[:8]
    return torch.Generator().manual_seed(int.from_bytes(seed, "little") >> 1)


def train(
    model: nn.Module,
    batch: Batch,
    recipe: Recipe,
    order: torch.Generator,
    *,
    state: Path | None = None,
    every: int = 250,
) -> list[float]:
    """Train `model` in place with its own `loss` method and return the loss of every step.

    With `state`, everything needed to go on is kept in that file each `every` steps and removed at the end.
    """
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )
    losses: list[float] = []
    if state is not None and state.exists():
        losses = _restore(state, model, optimiser, order)
    model.train()
    for step in range(len(losses), recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate_at(step)
        loss = model.loss(batch(order))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        losses.append(loss.item())
        if state is not None and (step + 1) % every == 0:
            _keep(state, model, optimiser, order, losses)
    if state is not None:
        state.unlink(missing_ok=True)
    return losses


def ends(losses: list[float], width: int) -> tuple[float, float]:
    """Mean loss of the first and of the last `width` steps."""
    return statistics.fmean(losses[:width]), statistics.fmean(losses[-width:])


def _keep(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, order: torch.Generator, losses: list[float]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "order": order.get_state(),
        "losses": losses,
    }
    partial = path.with_suffix(".partial")
    torch.save(whole, partial)
    partial.replace(path)


def _restore(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, order: torch.Generator) -> list[float]:
    whole = torch.load(path, weights_only=True)
    model.load_state_dict(whole["model"])
    optimiser.load_state_dict(whole["optimiser"])
    order.set_state(whole["order"])
    return whole["losses"]
