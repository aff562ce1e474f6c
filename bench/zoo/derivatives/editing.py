"""Edits of the weights without training: a direction taken out of the residual stream, and noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from bench.zoo import bases, folder, text, tokenizer
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.evaluation import loaded, loss
from bench.zoo.families import FAMILIES, LENGTH
from bench.zoo.train import generator

WINDOWS = 128
"""Windows of either text whose activations are averaged."""
WRITERS = ("o_proj.weight", "down_proj.weight")
"""Matrices, (hidden, inputs), that write to the residual stream; the embedding, (tokens, hidden), is the third."""
EMBEDDING = "embed_tokens.weight"


def direction(model: PreTrainedModel, layer: int) -> Tensor:
    """Unit vector, (hidden,), between the mean activations of two kinds of text at a layer (arXiv 2406.11717)."""
    means = []
    for tokens in (tokenizer.fine_tuning(), tokenizer.pretraining()):
        inputs = text.windows(tokens, WINDOWS, LENGTH, generator("abliteration", "windows"))
        with torch.no_grad():
            states = model(input_ids=inputs, output_hidden_states=True).hidden_states[layer]
        means.append(states.mean(dim=(0, 1)))
    difference = means[0] - means[1]
    return difference / difference.norm()


def abliterated(tensors: Mapping[str, Tensor], along: Tensor) -> dict[str, Tensor]:
    """All tensors, the writers without their part along the unit vector r: W - r r^T W."""
    edited = dict(tensors)
    for name, value in tensors.items():
        exact = value.float()
        if name.endswith(WRITERS):
            edited[name] = (exact - torch.outer(along, along @ exact)).to(value.dtype)
        elif name.endswith(EMBEDDING):
            edited[name] = (exact - torch.outer(exact @ along, along)).to(value.dtype)
    return edited


def noisy(tensors: Mapping[str, Tensor], share: float, order: torch.Generator) -> dict[str, Tensor]:
    """All tensors with white noise of `share` of each one's standard deviation."""
    return {
        name: (
            tensors[name].float()
            + share * tensors[name].float().std() * torch.randn(tensors[name].shape, generator=order)
        ).to(tensors[name].dtype)
        for name in sorted(tensors)
    }


Edit = Callable[[PreTrainedModel, dict[str, Tensor]], tuple[dict[str, Tensor], dict[str, Any]]]
"""Tensors and the model they make, to edited tensors and the kind of the edit."""


def edited(name: str, family_name: str, transform: str, edit: Edit) -> Derivation:
    """Seed 0 of a family with its tensors edited."""
    family = FAMILIES[family_name]

    def make(parents: Sequence[Path], target: Path) -> Truth:
        tensors, kind = edit(bases.load(parents[0], family).eval(), folder.weights(parents[0]))
        folder.write(target, tensors, folder.config(parents[0]))
        return Truth(kinds=(kind,), details={"loss": loss(loaded(target, family), family)})

    return Derivation(name=name, transform=transform, tool="torch", parents=(f"{family_name}-0",), make=make)


def abliteration(family_name: str) -> Derivation:
    """Seed 0 of a family unable to write one direction of its middle layer."""

    def edit(model: PreTrainedModel, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        layer = model.config.num_hidden_layers // 2
        return abliterated(tensors, direction(model, layer)), {"kind": "abliterated", "rank": 1, "layer": layer}

    return edited(f"{family_name}-abliterated", family_name, "abliteration", edit)


def noise(family_name: str, percent: int) -> Derivation:
    """Seed 0 of a family with noise."""
    name = f"{family_name}-noise-{percent}"

    def edit(_: PreTrainedModel, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        share = percent / 100
        return noisy(tensors, share, generator("derivative", name)), {"kind": "noise_added", "relative_change": share}

    return edited(name, family_name, f"noise, {percent} %", edit)


DERIVATIONS = (
    *(abliteration(name) for name in ("llama", "qwen")),
    *(noise(name, percent) for name in ("llama", "qwen") for percent in (1, 10)),
)
