"""Models that are narrower: hidden neurons, attention heads or residual dimensions are cut, by importance.

What is kept stays in its order. The widths in the configuration follow, so that `transformers` loads the result.
"""

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
from bench.zoo.derivatives.finetuning import SHORT, Tuned, save, tune
from bench.zoo.families import FAMILIES, LENGTH
from bench.zoo.train import generator

WINDOWS = 64
"""Windows of the pretraining text over which activations are measured."""

Axes = Mapping[str, int]
"""By the end of a tensor's name, the axis that is cut."""

NEURONS = {"gate_proj.weight": 0, "up_proj.weight": 0, "down_proj.weight": 1}
EXPERT_NEURONS = {"w1.weight": 0, "w3.weight": 0, "w2.weight": 1}
HEADS = {"q_proj.weight": 0, "o_proj.weight": 1}
RESIDUAL = {
    "embed_tokens.weight": 1,
    "norm.weight": 0,
    "q_proj.weight": 1,
    "k_proj.weight": 1,
    "v_proj.weight": 1,
    "o_proj.weight": 0,
    "gate_proj.weight": 1,
    "up_proj.weight": 1,
    "down_proj.weight": 0,
    "lm_head.weight": 1,
}
GPT2_HEADS = {"c_attn.weight": 1, "c_attn.bias": 0, "c_proj.weight": 0}
GPT2_RESIDUAL = {
    "wte.weight": 1,
    "wpe.weight": 1,
    **{f"{norm}.{part}": 0 for norm in ("ln_1", "ln_2", "ln_f") for part in ("weight", "bias")},
    "c_attn.weight": 0,
    "c_fc.weight": 0,
    "c_proj.weight": 1,
    "c_proj.bias": 0,
}

NORMS = ("norm", "ln_1", "ln_2", "ln_f")
ATTENTION_OUTPUTS = ("o_proj", "attn.c_proj")
"""How the modules are called that scale the residual stream, and that join the heads."""

Kept = dict[str, list[int]]
"""By the beginning of tensors' names, the indices that are kept, ascending."""


def cut(tensors: Mapping[str, Tensor], axes: Axes, kept: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """All tensors, those under a key of `kept` with no more than its indices of their axis in `axes`."""
    narrowed = dict(tensors)
    for start, indices in kept.items():
        for end, axis in axes.items():
            for name in (name for name in tensors if name.startswith(start) and name.endswith(end)):
                narrowed[name] = tensors[name].index_select(axis, torch.tensor(indices))
    return narrowed


def best(importance: Tensor, count: int) -> list[int]:
    """Indices of the `count` largest, ascending."""
    return sorted(importance.topk(count).indices.tolist())


def neurons(tensors: Mapping[str, Tensor], axes: Axes, count: int) -> Kept:
    """The neurons of each gated MLP with the largest product of their weights' norms."""
    importance: dict[str, Tensor] = {}
    for end, axis in axes.items():
        for name, value in tensors.items():
            if name.endswith(end):
                norms = value.float().norm(dim=1 - axis)
                start = name.removesuffix(end)
                importance[start] = importance[start] * norms if start in importance else norms
    return {start: best(product, count) for start, product in sorted(importance.items())}


def activations(model: PreTrainedModel, ends: tuple[str, ...], *, outputs: bool) -> dict[str, Tensor]:
    """Mean absolute output, or input, of each dimension of the modules whose names end so."""
    means: dict[str, Tensor] = {}

    def hook(name: str, inputs: tuple[Tensor, ...], answer: Tensor) -> None:
        means[name] = (answer if outputs else inputs[0]).abs().mean(dim=(0, 1))

    for name, module in model.named_modules():
        if name.endswith(ends):
            module.register_forward_hook(lambda _, inputs, answer, name=name: hook(name, inputs, answer))
    tokens = text.windows(tokenizer.pretraining(), WINDOWS, LENGTH, generator("pruning", "windows"))
    with torch.no_grad():
        model.eval()(input_ids=tokens)
    return means


def heads(model: PreTrainedModel, count: int) -> Kept:
    """The query heads of each layer, as rows of their matrix, that write most; as many in each key-value group."""
    config = model.config
    groups = getattr(config, "num_key_value_heads", 1)
    kept = {}
    for name, mean in activations(model, ATTENTION_OUTPUTS, outputs=False).items():
        width = len(mean) // config.num_attention_heads
        importance = mean.unflatten(0, (groups, -1, width)).mean(dim=2)
        chosen = [
            group * importance.shape[1] + head
            for group in range(groups)
            for head in best(importance[group], count // groups)
        ]
        start = name.removesuffix(name.rpartition(".")[2])
        kept[start] = [head * width + index for head in chosen for index in range(width)]
    return kept


def fused_heads(model: PreTrainedModel, count: int) -> Kept:
    """The same where query, key and value are one matrix, each a third of its columns."""
    kept = {}
    for start, rows in heads(model, count).items():
        kept[f"{start}c_attn."] = [third * model.config.hidden_size + row for third in range(3) for row in rows]
        kept[f"{start}c_proj."] = rows
    return kept


def residual(model: PreTrainedModel, count: int) -> Kept:
    """The residual dimensions whose activations behind the norms are largest (Minitron, arXiv 2407.14679)."""
    means = activations(model, NORMS, outputs=True)
    return {"": best(torch.stack(list(means.values())).sum(dim=0), count)}


Choose = Callable[[PreTrainedModel, Mapping[str, Tensor]], Kept]
"""From a model and its tensors, what is kept."""


def narrowed(
    name: str,
    family_name: str,
    transform: str,
    cuts: Sequence[tuple[Axes, Choose]],
    widths: Mapping[str, int],
    *,
    healed: bool = False,
) -> Derivation:
    """Seed 0 of a family with each set of axes cut to what is chosen; `widths` go into the configuration."""
    family = FAMILIES[family_name]

    def make(parents: Sequence[Path], target: Path) -> Truth:
        tensors = folder.weights(parents[0])
        kinds: list[Mapping[str, Any]] = []
        for axes, choose in cuts:
            kept = choose(bases.load(parents[0], family), tensors)
            tensors = cut(tensors, axes, kept)
            kinds.append({"kind": "pruned_width", "kept": kept, "axes": dict(axes)})
        folder.write(target, tensors, {**folder.config(parents[0]), **widths})
        details: dict[str, Any] = dict(widths)
        model = loaded(target, family)
        if healed:
            details |= tune(Tuned(model, family), family, SHORT, name)
            kinds.append({"kind": "fine_tune"})
            save(model, family, target)
        return Truth(kinds=tuple(kinds), details={**details, "loss": loss(loaded(target, family), family)})

    return Derivation(
        name=name,
        transform=transform,
        tool="transformers" if healed else "safetensors",
        parents=(f"{family_name}-0",),
        make=make,
    )


def fewer_neurons(family_name: str, axes: Axes, count: int, *, healed: bool = False) -> Derivation:
    """Seed 0 of a family with `count` neurons in each MLP, or each expert."""
    return narrowed(
        f"{family_name}-prune-neurons{'-healed' if healed else ''}",
        family_name,
        f"neurons pruned{', healed' if healed else ''}",
        [(axes, lambda _, tensors: neurons(tensors, axes, count))],
        {"intermediate_size": count},
        healed=healed,
    )


DERIVATIONS = (
    fewer_neurons("llama", NEURONS, 160),
    fewer_neurons("llama", NEURONS, 160, healed=True),
    fewer_neurons("mixtral", EXPERT_NEURONS, 80),
    narrowed(
        "llama-prune-heads",
        "llama",
        "attention heads pruned",
        [(HEADS, lambda model, _: heads(model, 2))],
        {"num_attention_heads": 2},
    ),
    narrowed(
        "llama-prune-hidden",
        "llama",
        "hidden width pruned",
        [(RESIDUAL, lambda model, _: residual(model, 72))],
        {"hidden_size": 72},
    ),
    narrowed(
        "gpt2-prune-heads-hidden",
        "gpt2",
        "attention heads and hidden width pruned",
        [
            (GPT2_HEADS, lambda model, _: fused_heads(model, 3)),
            (GPT2_RESIDUAL, lambda model, _: residual(model, 72)),
        ],
        {"n_head": 3, "n_embd": 72},
    ),
)
