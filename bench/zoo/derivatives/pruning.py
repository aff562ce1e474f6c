"""Unstructured and semi-structured pruning by magnitude, with `torch.nn.utils.prune`.

The matrices of the blocks are pruned; embeddings, heads, gains and biases are left alone, as is the custom. Nothing is
trained afterwards, so that all weights that survive are the parent's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from bench.zoo import bases
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.evaluation import loaded, loss
from bench.zoo.derivatives.finetuning import save
from bench.zoo.families import FAMILIES

KEPT, GROUP = 2, 4
"""Of each four weights along the input axis two are kept, the pattern that sparse tensor cores multiply."""

Pruner = Callable[[Sequence[nn.Module]], None]
"""Masks the `weight` of each module."""


def matrices(model: PreTrainedModel) -> list[nn.Module]:
    """The linear and convolutional layers of a model, without the one that gives its answer."""
    answers = (model.get_output_embeddings(), getattr(model, "classifier", None))
    outside = {id(part) for answer in answers if answer is not None for part in answer.modules()}
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear | nn.Conv2d | Conv1D) and id(module) not in outside
    ]


def each(amount: float) -> Pruner:
    """Zero the share `amount` of smallest weights of each matrix."""

    def pruner(modules: Sequence[nn.Module]) -> None:
        for module in modules:
            prune.l1_unstructured(module, "weight", amount=amount)

    return pruner


def together(amount: float) -> Pruner:
    """Zero the share `amount` of smallest weights of all matrices taken together."""

    def pruner(modules: Sequence[nn.Module]) -> None:
        prune.global_unstructured(
            [(module, "weight") for module in modules], pruning_method=prune.L1Unstructured, amount=amount
        )

    return pruner


def grouped(modules: Sequence[nn.Module]) -> None:
    """Zero the two smallest of each four neighbours along the input axis."""
    for module in modules:
        prune.custom_from_mask(module, "weight", mask=largest(module.weight.detach()))


def largest(matrix: Tensor) -> Tensor:
    """Mask, of the matrix's shape (out, in), of the two largest of each four neighbours in a row."""
    groups = matrix.abs().unflatten(1, (-1, GROUP))
    kept = groups.topk(KEPT, dim=2).indices
    return torch.zeros_like(groups).scatter_(2, kept, 1.0).flatten(1)


def pruned(family_name: str, suffix: str, transform: str, pruner: Pruner, kind: dict[str, object]) -> Derivation:
    """Seed 0 of a family with `pruner` applied to its matrices."""
    family = FAMILIES[family_name]

    def make(parents: Sequence[Path], target: Path) -> Truth:
        model = bases.load(parents[0], family)
        modules = matrices(model)
        pruner(modules)
        for module in modules:
            prune.remove(module, "weight")
        zeros = sum(int((module.weight == 0).sum()) for module in modules)
        save(model, family, target)
        details = {
            "tensors": len(modules),
            "zeros": round(zeros / sum(module.weight.numel() for module in modules), 4),
            "loss": loss(loaded(target, family), family),
        }
        return Truth(kinds=(kind,), details=details)

    return Derivation(
        name=f"{family_name}-prune-{suffix}",
        transform=transform,
        tool="torch.nn.utils.prune",
        parents=(f"{family_name}-0",),
        make=make,
    )


def unstructured(family_name: str, percent: int, scope: str = "") -> Derivation:
    """Magnitude pruning of a share of the weights, in each matrix or ("global") in all together."""
    amount = percent / 100
    return pruned(
        family_name,
        f"{scope}-{percent}".removeprefix("-"),
        " ".join(filter(None, (scope, f"magnitude pruning, {percent} %"))),
        together(amount) if scope else each(amount),
        {"kind": "pruned_unstructured", "sparsity": amount},
    )


DERIVATIONS = (
    *(unstructured(name, percent) for name in ("llama", "bert", "resnet") for percent in (50, 90)),
    unstructured("gpt2", 50, "global"),
    *(
        pruned(name, "2-4", "magnitude pruning, 2:4", grouped, {"kind": "pruned_n_m", "pattern": "2:4"})
        for name in ("llama", "bert")
    ),
)
