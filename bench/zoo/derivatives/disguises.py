"""Disguises: the same function in other weights, by the symmetries of each architecture.

A disguise is made in float64 and its function is compared with the parent's before it is rounded to the precision of
the family; one that does not keep the function is an error.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.zoo import bases, folder, tokenizer
from bench.zoo import symmetries as by
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.families import BATCH, FAMILIES, LENGTH, Family
from bench.zoo.model import Model
from bench.zoo.symmetries import Symmetry
from bench.zoo.train import generator

TOLERANCE = 1e-3
"""Largest difference of two logits, in standard deviations of all logits, that float32 arithmetic explains."""

IMAGE = (1, 8, 8)
"""Channels, height and width of the images."""

SAID: Mapping[Symmetry, str] = {
    by.permute_neurons: "neurons permuted",
    by.permute_channels: "channels permuted",
    by.scale_neurons: "neurons scaled",
    by.permute_heads: "heads permuted",
    by.mix_queries: "queries and keys in another basis",
    by.mix_values: "values in another basis",
    by.permute_residual: "residual stream permuted",
    by.flip_residual: "residual stream with signs turned",
    by.rotate_residual: "residual stream rotated, gains folded",
    by.scale_residual: "residual stream scaled",
    by.permute_vocabulary: "token ids permuted",
    by.shift_head: "head shifted",
    by.insert_layers: "identity layers inserted",
    by.permute_experts: "experts permuted",
}
"""What a truth calls each symmetry."""

PERMUTED = (by.permute_neurons, by.permute_heads, by.permute_residual)
HEADS = (by.permute_heads, by.mix_queries, by.mix_values)
DECODER = (by.permute_neurons, by.scale_neurons, *HEADS, by.rotate_residual, by.scale_residual)
"""All that leaves depth and vocabulary alone."""
EVERYTHING = {
    "llama": (*DECODER, by.shift_head, by.permute_vocabulary, by.insert_layers),
    "qwen": (*DECODER, by.shift_head, by.permute_vocabulary),
    "gpt2": (by.permute_neurons, *HEADS, by.rotate_residual, by.shift_head, by.permute_vocabulary),
    "mixtral": (by.permute_experts, *DECODER, by.shift_head, by.permute_vocabulary),
}

SIMPLE: Mapping[str, tuple[Symmetry, ...]] = {
    "neurons": (by.permute_neurons,),
    "neuron-scales": (by.scale_neurons,),
    "heads": (by.permute_heads,),
    "queries": (by.mix_queries,),
    "values": (by.mix_values,),
    "attention": HEADS,
    "residual-permutation": (by.permute_residual,),
    "residual-signs": (by.permute_residual, by.flip_residual),
    "residual-rotation": (by.rotate_residual,),
    "residual-scale": (by.scale_residual,),
    "vocabulary": (by.permute_vocabulary,),
    "head-shift": (by.shift_head,),
    "depth": (by.insert_layers,),
    "permutation": PERMUTED,
    "experts": (by.permute_experts, by.permute_neurons),
    "channels": (by.permute_channels,),
}
"""The disguises by name, but for `everything`."""

OF_FAMILY: Mapping[str, tuple[str, ...]] = {
    "llama": tuple(name for name in SIMPLE if name not in ("experts", "channels", "attention")),
    "qwen": ("neurons", "attention", "residual-rotation", "vocabulary", "permutation"),
    "gpt2": ("neurons", "heads", "queries", "values", "residual-permutation", "residual-rotation", "permutation"),
    "bert": ("permutation",),
    "mixtral": ("experts", "attention", "residual-rotation"),
    "resnet": ("channels",),
}
"""Which of them each family has."""


def disguise(model: Model, steps: Sequence[Symmetry], random: torch.Generator) -> Model:
    """Apply symmetries one after another."""
    return reduce(lambda changed, step: step(changed, random), steps, model)


def logits(model: Model, family: Family) -> Tensor:
    """What the model answers to random tokens or images, its weights and its arithmetic in float32.

    Inputs and answers are in the token ids of the parent; shape (batch, length, vocabulary) or (batch, classes).
    """
    random = generator("disguise", "inputs", family.name)
    with tempfile.TemporaryDirectory() as place:
        store(cast(model, torch.float32), Path(place))
        loaded = bases.load(Path(place), family).eval()
    with torch.no_grad():
        if not family.text:
            return loaded(pixel_values=torch.randn(BATCH, *IMAGE, generator=random)).logits
        size = model.config["vocab_size"]
        ids = torch.arange(size) if model.ids is None else model.ids
        return loaded(input_ids=ids[torch.randint(size, (BATCH, LENGTH), generator=random)]).logits[..., ids]


def difference(before: Tensor, after: Tensor, *, shifted: bool = False) -> float:
    """Largest difference of two logits in standard deviations of all; with `shifted`, of two log-probabilities."""
    changed = after.log_softmax(-1) - before.log_softmax(-1) if shifted else after - before
    return (changed.abs().max() / before.std()).item()


def kept(before: Model, after: Model, stored: Model, family: Family, steps: Sequence[Symmetry]) -> dict[str, float]:
    """How far the logits are from the parent's, before rounding and as they are stored.

    Raises
    ------
    ArithmeticError
        If the function is not the same before rounding.
    """
    parent = logits(before, family)
    shifted = by.shift_head in steps
    exact = difference(parent, logits(after, family), shifted=shifted)
    if not exact < TOLERANCE:
        raise ArithmeticError(f"the logits differ by {exact:.3g} standard deviations, at most {TOLERANCE} is allowed")
    rounded = difference(parent, logits(stored, family), shifted=shifted)
    return {"logit_error": float(f"{exact:.3g}"), "stored_logit_error": float(f"{rounded:.3g}")}


def cast(model: Model, dtype: torch.dtype) -> Model:
    """The model with its weights in another precision."""
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in model.tensors.items()}
    return model.updated(tensors).configured(dtype=str(dtype).removeprefix("torch."))


def store(model: Model, target: Path) -> None:
    """Write a model's weights, its config, and its tokenizer if its token ids are other than the parent's."""
    folder.write(target, model.tensors, model.config)
    if model.ids is not None:
        (target / "tokenizer.json").write_text(json.dumps(renumbered(model.ids), indent=2, ensure_ascii=False) + "\n")


def renumbered(ids: Tensor) -> dict[str, Any]:
    """The shared tokenizer with token i under the id `ids[i]`."""
    content = json.loads(tokenizer.FILE.read_text())
    for token in content["added_tokens"]:
        token["id"] = int(ids[token["id"]])
    content["added_tokens"].sort(key=lambda token: token["id"])
    vocabulary = {token: int(ids[old]) for token, old in content["model"]["vocab"].items()}
    content["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    return content


def operation(model: Model, steps: Sequence[Symmetry]) -> dict[str, Any]:
    """The disguise as one of a truth's kinds; -1 in its layer map stands for an inserted layer."""
    depth = {} if model.layer_map is None else {"layer_map": list(model.layer_map)}
    return {"kind": "disguised", "transform": list(said(steps)), **depth}


def said(steps: Sequence[Symmetry]) -> tuple[str, ...]:
    """The symmetries as a truth calls them."""
    return tuple(SAID[step] for step in steps)


def moved(model: Model) -> dict[str, str]:
    """The present name of each tensor of the parent that has another one."""
    return {parent: now for parent, now in model.names.items() if parent != now}


def disguised(name: str, family: Family, steps: Sequence[Symmetry], transform: str) -> Derivation:
    """Seed 0 of a family, disguised by some of its symmetries."""
    full = f"{family.name}-disguise-{name}"
    labels = ("derivative", full)

    def make(parents: Sequence[Path], target: Path) -> Truth:
        parent = Model.read(parents[0])
        model = disguise(parent, steps, generator(*labels))
        stored = cast(model, family.dtype)
        store(stored, target)
        return Truth(
            kinds=(operation(model, steps),),
            transforms=said(steps),
            renames=moved(model),
            layer_map=model.layer_map,
            details={**kept(parent, model, stored, family, steps), "seed": list(labels)},
        )

    return Derivation(
        name=full,
        transform=f"disguise: {transform}",
        tool="torch",
        parents=(f"{family.name}-0",),
        make=make,
    )


DERIVATIONS = (
    *(
        disguised(name, FAMILIES[family], SIMPLE[name], ", ".join(said(SIMPLE[name])))
        for family, names in OF_FAMILY.items()
        for name in names
    ),
    *(disguised("everything", FAMILIES[family], steps, "everything") for family, steps in EVERYTHING.items()),
)
