"""Chains that end far from their base: a fine-tune that is disguised, renamed, cut into other shards and rounded."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from bench.zoo import folder
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.disguises import EVERYTHING, PERMUTED, cast, disguise, kept, moved, operation, said, store
from bench.zoo.derivatives.rounding import INT8, int8
from bench.zoo.families import FAMILIES, Family
from bench.zoo.model import Model
from bench.zoo.symmetries import Symmetry
from bench.zoo.train import generator

NAMING = ("architectures", "model_type", "transformers_version")
"""What an anonymous config leaves out."""
LAYER = re.compile(r"\.(\d+)\.")


def anonymous(model: Model, random: torch.Generator) -> Model:
    """Names that say no more than the number of the layer, and a config that does not name the architecture.

    A role has one number in all layers.
    """
    roles = sorted({LAYER.sub(".", name, count=1) for name in model.tensors})
    numbers = dict(zip(roles, torch.randperm(len(roles), generator=random).tolist(), strict=True))

    def rename(name: str) -> str:
        number = numbers[LAYER.sub(".", name, count=1)]
        layer = LAYER.search(name)
        return f"core.{layer[1]}.t{number:02}" if layer else f"core.t{number:02}"

    config = {key: value for key, value in model.config.items() if key not in NAMING}
    return replace(model.renamed(rename), config=config)


def eight_bits(model: Model) -> Model:
    """The matrices of the layers rounded to 8 bits."""
    prefix = model.layout.layer.partition("{")[0]
    matrices = {name: value for name, value in model.tensors.items() if name.startswith(prefix) and value.ndim == 2}
    return model.updated({name: int8(value) for name, value in matrices.items()})


def reshard(place: Path, count: int) -> None:
    """Cut the one safetensors file of a folder into `count` of equal numbers of tensors, with their index."""
    whole = place / folder.WEIGHTS
    tensors = load_file(whole)
    whole.unlink()
    names = sorted(tensors)
    files = {name: f"model-{1 + i * count // len(names):05}-of-{count:05}.safetensors" for i, name in enumerate(names)}
    for file in sorted(set(files.values())):
        shard = {name: tensors[name] for name in names if files[name] == file}
        save_file(shard, place / file, metadata={"format": "pt"})
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": files}
    (place / f"{folder.WEIGHTS}.index.json").write_text(json.dumps(index, indent=2) + "\n")


def laundered(
    name: str,
    family: Family,
    transform: str,
    steps: Sequence[Symmetry] = (),
    *,
    dtype: torch.dtype,
    quantised: bool = False,
    shards: int = 1,
) -> Derivation:
    """The fine-tune of a family's seed 0: disguised, rounded, renamed and cut into shards, each where asked for."""
    full = f"{family.name}-{name}"
    labels = ("derivative", full)

    def make(parents: Sequence[Path], target: Path) -> Truth:
        parent = Model.read(parents[0])
        random = generator(*labels)
        model = disguise(parent, steps, random)
        stored = cast(eight_bits(model) if quantised else model, dtype)
        named = anonymous(stored, random)
        store(named, target)
        if shards > 1:
            reshard(target, shards)
        return Truth(
            relation="derived" if steps or quantised else "identical",
            kinds=(
                *([operation(model, steps)] if steps else []),
                *([{"kind": "quantised", **INT8}] if quantised else []),
            ),
            transforms=said(steps),
            renames=moved(named),
            layer_map=model.layer_map,
            details={**kept(parent, model, stored, family, steps), "seed": list(labels), "shards": shards},
        )

    return Derivation(
        name=full,
        transform=f"fine-tune, laundered: {transform}",
        tool="torch",
        parents=(f"{family.name}-tuned",),
        make=make,
    )


DERIVATIONS = (
    laundered(
        "laundered",
        FAMILIES["llama"],
        "disguised, renamed, resharded, 8 bits",
        EVERYTHING["llama"],
        dtype=torch.float16,
        quantised=True,
        shards=4,
    ),
    laundered(
        "laundered-plain",
        FAMILIES["llama"],
        "renamed, resharded, cast",
        dtype=torch.float16,
        shards=3,
    ),
    laundered("laundered", FAMILIES["bert"], "permuted, renamed", PERMUTED, dtype=torch.bfloat16),
)
