"""Models that hold part of another: a language model in a vision model, an encoder in a pair, layers in a stranger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.zoo import bases, folder
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.evaluation import loaded, loss
from bench.zoo.families import FAMILIES
from bench.zoo.train import generator

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""Statistics of batch normalisation, which are not learned."""
PROJECTED, HIDDEN, VISION = 64, 96, 64
"""Width of the space that a pair shares, and of what the language models and the residual network give."""


def moved(tensors: Mapping[str, Tensor], old: str, new: str) -> dict[str, str]:
    """The names that begin with `old`, each with `new` in its place."""
    return {name: new + name.removeprefix(old) for name in tensors if name.startswith(old)}


def fresh(name: str, *shapes: tuple[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """New layers as language models draw them: normal of deviation 0.02, biases zero."""
    order = generator("derivative", name)
    return {
        key: torch.zeros(shape) if key.endswith("bias") else 0.02 * torch.randn(shape, generator=order)
        for key, shape in shapes
    }


def share(tensors: Mapping[str, Tensor], names: Sequence[str]) -> float:
    """Share of the learned parameters that lie in the named tensors."""
    sizes = {name: value.numel() for name, value in tensors.items() if not name.endswith(BUFFERS)}
    return round(sum(sizes.get(name, 0) for name in names) / sum(sizes.values()), 4)


def cast(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """All tensors, those of floating point in one type."""
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}


def beside_vision(
    name: str,
    parents: tuple[str, str],
    prefixes: tuple[tuple[str, str], tuple[str, str]],
    new: Sequence[tuple[str, tuple[int, ...]]],
    settings: Mapping[str, Any],
) -> Derivation:
    """A text model and a vision model with their names under new prefixes, and new layers between them.

    `prefixes` gives, for the text and for the vision model, the old and the new beginning of the names that are taken.
    """
    family = FAMILIES[parents[0].partition("-")[0]]

    def make(sources: Sequence[Path], target: Path) -> Truth:
        text, vision = (folder.weights(source) for source in sources)
        renames, others = (moved(tensors, *prefix) for tensors, prefix in zip((text, vision), prefixes, strict=True))
        whole = {renames[old]: text[old] for old in renames} | {others[old]: vision[old] for old in others}
        whole = cast(whole | fresh(name, *new), family.dtype)
        text_config, vision_config = (folder.config(source) for source in sources)
        folder.write(target, whole, {**settings, "text_config": text_config, "vision_config": vision_config})
        stored = folder.weights(target)
        model = bases.load(sources[0], family)
        model.load_state_dict({old: stored[renames[old]].float() for old in renames}, strict=False)
        details = {"coverage": share(stored, list(renames.values())), "loss": loss(model, family)}
        subtree = prefixes[0][1].removesuffix(".")
        return Truth(kinds=({"kind": "component_reuse", "subtrees": [subtree]},), renames=renames, details=details)

    return Derivation(name=name, transform="backbone in a vision model", tool="safetensors", parents=parents, make=make)


def transplanted(family_name: str, layers: Sequence[int]) -> Derivation:
    """Layers of seed 0 of a family in the places of the same layers of its seed 1."""
    family = FAMILIES[family_name]
    subtrees = [f"model.layers.{layer}" for layer in layers]

    def make(parents: Sequence[Path], target: Path) -> Truth:
        donor, host = (folder.weights(parent) for parent in parents)
        taken = [name for name in donor if name.startswith(tuple(f"{subtree}." for subtree in subtrees))]
        folder.write(target, {**host, **{name: donor[name] for name in taken}}, folder.config(parents[1]))
        details = {"coverage": share(host, taken), "loss": loss(loaded(target, family), family)}
        return Truth(kinds=({"kind": "component_reuse", "subtrees": subtrees},), details=details)

    return Derivation(
        name=f"{family_name}-transplanted",
        transform="layers in a stranger",
        tool="safetensors",
        parents=(f"{family_name}-0", f"{family_name}-1"),
        make=make,
    )


DERIVATIONS = (
    beside_vision(
        "llama-in-vision-model",
        ("llama-0", "resnet-1"),
        (("", "language_model."), ("resnet.", "vision_tower.")),
        (
            ("multi_modal_projector.linear_1.weight", (HIDDEN, VISION)),
            ("multi_modal_projector.linear_1.bias", (HIDDEN,)),
            ("multi_modal_projector.linear_2.weight", (HIDDEN, HIDDEN)),
            ("multi_modal_projector.linear_2.bias", (HIDDEN,)),
        ),
        {"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava"},
    ),
    beside_vision(
        "bert-in-text-image-pair",
        ("bert-0", "resnet-2"),
        (("bert.", "text_model."), ("resnet.", "vision_model.")),
        (
            ("text_projection.weight", (PROJECTED, HIDDEN)),
            ("visual_projection.weight", (PROJECTED, VISION)),
            ("logit_scale", ()),
        ),
        {
            "architectures": ["VisionTextDualEncoderModel"],
            "model_type": "vision-text-dual-encoder",
            "projection_dim": PROJECTED,
        },
    ),
    transplanted("qwen", (0, 1)),
)
