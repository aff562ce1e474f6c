"""Fine-tunes, full and partial, continued pretraining, and a preference-tuned model.

All go on from a base by the training loop of the zoo, on a text (or images) that the base did not see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers import PreTrainedModel

from bench.zoo import bases, text, tokenizer
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.families import BATCH, FAMILIES, LENGTH, Family
from bench.zoo.train import Recipe, ends, generator, train

SHORT = Recipe(steps=150, rate=3e-4, warmup=20)
LONG = Recipe(steps=2500, rate=2e-3, warmup=100)
PREFERENCES = Recipe(steps=40, rate=5e-5, warmup=5)
BETA = 0.1
"""Weight of the reference model in the preference loss (arXiv 2305.18290, equation 7)."""

FROZEN = {
    "llama": ("embed_tokens", "layers.0.", "layers.1.", "layers.2."),
    "bert": ("embeddings", "layer.0.", "layer.1."),
}
"""Parts of names that a partly frozen fine-tune leaves alone."""


class Tuned(nn.Module):
    """A model that goes on with its family's loss."""

    def __init__(self, model: PreTrainedModel, family: Family) -> None:
        super().__init__()
        self.model = model
        self.family = family

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The family's own loss."""
        return self.family.evaluate(self.model, batch)


class Preferring(nn.Module):
    """Direct preference optimisation: real text is preferred to the same text with its second half shuffled."""

    def __init__(self, model: PreTrainedModel, reference: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.references = [reference.eval().requires_grad_(False)]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """-log sigmoid of the scaled margin by which the model prefers more than the reference does."""
        chosen, rejected = batch
        with torch.no_grad():
            before = likelihood(self.references[0], chosen) - likelihood(self.references[0], rejected)
        margin = likelihood(self.model, chosen) - likelihood(self.model, rejected) - before
        return -F.logsigmoid(BETA * margin).mean()


def likelihood(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    """Log-likelihood of each sequence, nats, (batch,)."""
    logits = model(input_ids=tokens[:, :-1]).logits
    return -F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none").sum(dim=1)


def preferences(order: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows of the fine-tuning text, and the same with their second halves in random order."""
    chosen = text.windows(tokenizer.fine_tuning(), BATCH, LENGTH, order)
    half = LENGTH // 2
    return chosen, torch.cat((chosen[:, :half], chosen[:, half + torch.randperm(half, generator=order)]), dim=1)


def batches(family: Family) -> Callable[[torch.Generator], dict[str, Tensor]]:
    """Batches of what the base did not see: another text, or negatives of the images."""
    if family.text:
        return lambda order: family.batch(tokenizer.fine_tuning(), order)

    def negatives(order: torch.Generator) -> dict[str, Tensor]:
        batch = family.batch(torch.empty(0), order)
        return batch | {"pixel_values": -batch["pixel_values"]}

    return negatives


def tune(
    model: nn.Module, family: Family, recipe: Recipe, label: str, batch: Callable[[torch.Generator], Any] | None = None
) -> dict[str, float]:
    """Train `model` in place, the random order named by `label`; returns the loss at either end."""
    losses = train(model, batch or batches(family), recipe, generator("derivative", label, "order"))
    first, last = ends(losses, min(20, len(losses)))
    return {"first_loss": round(first, 4), "last_loss": round(last, 4), "steps": recipe.steps, "rate": recipe.rate}


def save(model: PreTrainedModel, family: Family, target: Path) -> None:
    """Write the model as the library does, in the family's precision."""
    model.to(family.dtype).save_pretrained(target)
    (target / "generation_config.json").unlink(missing_ok=True)


def fine_tuned(name: str, family: Family, recipe: Recipe, kind: str, frozen: Sequence[str] = ()) -> Derivation:
    """A fine-tune of seed 0 of the family, with the parameters whose names hold a part of `frozen` left alone."""

    def make(parents: Sequence[Path], target: Path) -> Truth:
        model = bases.load(parents[0], family)
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(not any(part in key for part in frozen))
        details = tune(Tuned(model, family), family, recipe, f"{family.name}-{name}")
        save(model, family, target)
        return Truth(kinds=({"kind": kind},), details=details)

    return Derivation(
        name=f"{family.name}-{name}",
        transform={"tuned": "fine-tune", "frozen": "fine-tune, partly frozen"}.get(name, "continued pretraining"),
        tool="transformers",
        parents=(f"{family.name}-0",),
        make=make,
    )


def preferred(family: Family) -> Derivation:
    """A preference-tuned model of seed 0 of the family."""

    def make(parents: Sequence[Path], target: Path) -> Truth:
        model, reference = bases.load(parents[0], family), bases.load(parents[0], family)
        details = tune(Preferring(model, reference), family, PREFERENCES, f"{family.name}-dpo", preferences)
        save(model, family, target)
        return Truth(kinds=({"kind": "fine_tune"},), details=details)

    return Derivation(
        name=f"{family.name}-dpo",
        transform="preference tuning (DPO)",
        tool="transformers",
        parents=(f"{family.name}-0",),
        make=make,
    )


DERIVATIONS = (
    *(fine_tuned("tuned", family, SHORT, "fine_tune") for family in FAMILIES.values()),
    *(fine_tuned("frozen", FAMILIES[name], SHORT, "fine_tune", parts) for name, parts in FROZEN.items()),
    *(fine_tuned("continued", FAMILIES[name], LONG, "continued_pretraining") for name in ("llama", "gpt2")),
    *(preferred(FAMILIES[name]) for name in ("llama", "qwen")),
)
