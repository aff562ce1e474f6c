"""Merges by mergekit's own command lines: of fine-tunes of one base, of slices of layers, and into experts.

A recipe is mergekit's configuration as it stands, with the zoo's names in the places of paths: mergekit runs in a
folder where each name is the model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from bench.zoo import bases, folder, tokenizer
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.evaluation import loaded, loss
from bench.zoo.derivatives.finetuning import SHORT, Tuned, save, tune
from bench.zoo.families import FAMILIES, Family

SEED = 7
"""Of mergekit's random methods."""
OPTIONS = ("--random-seed", str(SEED), "--no-copy-tokenizer", "--no-write-model-card", "--quiet")

Recipe = dict[str, Any]


def weighted(first: float, second: float, family: str = "llama", **parameters: float) -> list[Recipe]:
    """The two fine-tunes of a family with their weights and what else a method asks of each."""
    return [
        {"model": f"{family}-{name}", "parameters": {"weight": weight, **parameters}}
        for name, weight in (("tuned", first), ("second", second))
    ]


def between(t: float | list[float]) -> Recipe:
    """Spherical interpolation from the first fine-tune, t = 0, to the second, t = 1.

    A list runs over the layers, and all else is then interpolated by its first value.
    """
    return {
        "merge_method": "slerp",
        "base_model": "llama-tuned",
        "models": [{"model": "llama-tuned"}, {"model": "llama-second"}],
        "parameters": {"t": t},
    }


def on_base(method: str, models: list[Recipe], **parameters: float | bool) -> Recipe:
    """A method that merges what the fine-tunes changed in their base."""
    return {"merge_method": method, "base_model": "llama-0", "models": models, "parameters": parameters}


def stacked(*slices: tuple[str, int, int]) -> Recipe:
    """Slices of models, each with its first layer and the one behind its last, on top of each other."""
    return {
        "merge_method": "passthrough",
        "slices": [{"sources": [{"model": name, "layer_range": [first, end]}]} for name, first, end in slices],
    }


RECIPES: dict[str, Recipe] = {
    "llama-merge-linear": {"merge_method": "linear", "models": weighted(0.571, 0.429)},
    "qwen-merge-linear": {"merge_method": "linear", "models": weighted(0.5, 0.5, "qwen")},
    "llama-merge-slerp": between(0.35),
    "llama-merge-slerp-gradient": between([0, 0.5, 0.3, 0.7, 1]),
    "llama-merge-nuslerp": {"merge_method": "nuslerp", "models": weighted(0.6, 0.4)},
    "llama-merge-task-arithmetic": on_base("task_arithmetic", weighted(0.8, 0.6)),
    "llama-merge-ties": on_base("ties", weighted(0.8, 0.6, density=0.5), normalize=True),
    "llama-merge-dare-ties": on_base("dare_ties", weighted(0.6, 0.4, density=0.5)),
    "llama-merge-dare-linear": on_base("dare_linear", weighted(0.6, 0.4, density=0.5)),
    "llama-merge-model-stock": on_base("model_stock", [{"model": "llama-tuned"}, {"model": "llama-second"}]),
    "llama-upscaled": stacked(("llama-0", 0, 4), ("llama-0", 2, 5)),
    "llama-merge-slices": stacked(("llama-tuned", 0, 3), ("llama-second", 3, 5)),
    "llama-frankenmerge": stacked(("llama-tuned", 0, 3), ("llama-second", 1, 4), ("llama-tuned", 3, 5)),
    "llama-upcycled": {
        "base_model": "llama-tuned",
        "gate_mode": "random",
        "experts": [{"source_model": "llama-tuned"}, {"source_model": "llama-second"}],
    },
}


def models(recipe: Recipe) -> list[str]:
    """The models of a recipe, each once, those that are merged before the base."""
    names = [
        *(entry["model"] for entry in recipe.get("models", ())),
        *(name for name, _ in layers(recipe)),
        *(expert["source_model"] for expert in recipe.get("experts", ())),
        *filter(None, [recipe.get("base_model")]),
    ]
    return list(dict.fromkeys(names))


def layers(recipe: Recipe) -> Iterator[tuple[str, int]]:
    """For each layer of stacked slices the model and the layer it comes from."""
    for part in recipe.get("slices", ()):
        (source,) = part["sources"]
        yield from ((source["model"], layer) for layer in range(*source["layer_range"]))


def weights(recipe: Recipe) -> list[dict[str, Any]]:
    """The merged parents, each with its weight where it has one number, and its layers where slices are stacked."""
    if recipe["merge_method"] == "slerp":
        t = recipe["parameters"]["t"]
        shares = ([round(1 - each, 6) for each in t], t) if isinstance(t, list) else (1 - t, t)
        names = [entry["model"] for entry in recipe["models"]]
        return [{"name": name, "weight": share} for name, share in zip(names, shares, strict=True)]
    if origins := list(layers(recipe)):
        return [
            {"name": name, "layers": [layer for source, layer in origins if source == name]} for name in models(recipe)
        ]
    return [
        {"name": entry["model"]} | ({"weight": entry["parameters"]["weight"]} if "parameters" in entry else {})
        for entry in recipe["models"]
    ]


def truth(recipe: Recipe) -> Truth:
    """What a recipe does, in the terms of the zoo."""
    if experts := recipe.get("experts"):
        return Truth(
            kinds=({"kind": "moe_upcycled", "experts": [expert["source_model"] for expert in experts]},),
            parents=tuple({"name": name} for name in models(recipe)),
        )
    layer_map = tuple(layer for _, layer in layers(recipe)) or None
    kinds: list[Mapping[str, Any]] = []
    if len(models(recipe)) > 1:
        base = {"base": recipe["base_model"]} if recipe.get("base_model") == "llama-0" else {}
        kinds.append({"kind": "merged", "method": recipe["merge_method"], "parents": weights(recipe), **base})
    if layer_map and len(set(layer_map)) < len(layer_map):
        kinds.append({"kind": "depth_upscaled", "layer_map": list(layer_map)})
    parents = weights(recipe) if len(models(recipe)) > 1 else []
    return Truth(kinds=tuple(kinds), layer_map=layer_map, parents=tuple(parents))


def staged(parent: Path, place: Path) -> None:
    """Link a model's files to `place`, with the tokenizer that mergekit asks every model for."""
    place.mkdir()
    for name in (folder.CONFIG, folder.WEIGHTS):
        (place / name).symlink_to((parent / name).resolve())
    names = dict(zip(("pad_token", "bos_token", "eos_token", "mask_token"), tokenizer.SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_file=str(tokenizer.FILE), **names).save_pretrained(place)


def merge(recipe: Recipe, parents: Mapping[str, Path], target: Path) -> None:
    """Run mergekit on the parents, by name; raises with its last words where it fails."""
    command = Path(sysconfig.get_path("scripts")) / ("mergekit-moe" if "experts" in recipe else "mergekit-yaml")
    with tempfile.TemporaryDirectory() as place:
        for name, parent in parents.items():
            staged(parent, Path(place) / name)
        (Path(place) / "recipe.yml").write_text(json.dumps(recipe))
        done = subprocess.run(
            [str(command), "recipe.yml", str(target.resolve()), *OPTIONS],
            cwd=place,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{command.name} ended with {done.returncode}: {done.stderr[-1000:]}")


def merged(name: str, recipe: Recipe) -> Derivation:
    """The merge that a recipe describes."""
    family = FAMILIES["mixtral" if "experts" in recipe else name.partition("-")[0]]
    complete = {**recipe, "dtype": "bfloat16"}

    def make(parents: Sequence[Path], target: Path) -> Truth:
        merge(complete, dict(zip(models(recipe), parents, strict=True)), target)
        details = {"recipe": complete, "seed": SEED, "loss": loss(loaded(target, family), family)}
        return replace(truth(recipe), details=details)

    return Derivation(
        name=name,
        transform="experts from dense models" if "experts" in recipe else f"merge, {recipe['merge_method']}",
        tool="mergekit",
        parents=tuple(models(recipe)),
        make=make,
    )


def second(family: Family) -> Derivation:
    """Another fine-tune of seed 0 of the family, on the second half of the text: the other parent of its merges."""
    name = f"{family.name}-second"

    def make(parents: Sequence[Path], target: Path) -> Truth:
        model = bases.load(parents[0], family)
        tokens = tokenizer.fine_tuning()
        half = tokens[len(tokens) // 2 :]
        details = tune(Tuned(model, family), family, SHORT, name, lambda order: family.batch(half, order))
        save(model, family, target)
        return Truth(kinds=({"kind": "fine_tune"},), details=details)

    return Derivation(name=name, transform="fine-tune", tool="transformers", parents=(f"{family.name}-0",), make=make)


DERIVATIONS = (
    *(second(FAMILIES[name]) for name in ("llama", "qwen")),
    *(merged(name, recipe) for name, recipe in RECIPES.items()),
)
