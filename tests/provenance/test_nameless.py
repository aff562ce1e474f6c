"""Disguised copies whose names are lost, and strangers under the same names and disguises."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.zoo.derivatives.disguises import EVERYTHING, PERMUTED, SIMPLE, cast, disguise, store
from bench.zoo.model import Model
from bench.zoo.symmetries import Symmetry
from bench.zoo.train import generator
from provenance import Options, Relation, compare

BASES = Path(__file__).parents[2] / "bench" / "data" / "bases"
NORM = re.compile(r"(?i)norm|ln_")
LAYER = re.compile(r"\.(\d+)\.")
HEADS = ("architectures", "model_type", "head_dim", "num_attention_heads", "n_head")
STEPS = {**EVERYTHING, "bert": PERMUTED}


def renamed(model: Model, scheme: str, random: torch.Generator) -> Model:
    """The model under names that say the layer or nothing."""
    names = sorted(model.tensors)
    roles = sorted({LAYER.sub(".", name, count=1) for name in names})
    numbers = dict(zip(roles, torch.randperm(len(roles), generator=random).tolist(), strict=True))
    order = dict(zip(names, torch.randperm(len(names), generator=random).tolist(), strict=True))

    def rename(name: str) -> str:
        layer, role = LAYER.search(name), numbers[LAYER.sub(".", name, count=1)]
        if scheme == "random":
            return f"p{order[name] * 7919 % 100_003:05}"
        if layer is None:
            return f"g_x{role}"
        return f"a.b.{layer[1]}.c{role}" if scheme == "numbered" else f"h_{layer[1]}_x{role}"

    return model.renamed(rename)


def made(
    place: Path, base: str, steps: Sequence[Symmetry], scheme: str, *, noise: float = 0.0, tune: float = 0.0
) -> dict[str, str]:
    """Write a base that is fine-tuned, disguised, blurred, rounded and renamed; its names by the base's."""
    random = generator("nameless", base, scheme)

    def moved(model: Model, amount: float) -> Model:
        return model.updated(
            {
                name: value + amount * value.std() * torch.randn(value.shape, generator=random, dtype=value.dtype)
                for name, value in model.tensors.items()
                if value.ndim > 1
            }
        )

    model = moved(disguise(moved(Model.read(BASES / base), tune), steps, random), noise)
    hidden = renamed(cast(model, torch.bfloat16), scheme, random)
    config = {key: value for key, value in hidden.config.items() if key not in HEADS}
    store(replace(hidden, config=config, ids=None), place)
    return dict(hidden.names)


@pytest.mark.parametrize("family", ["llama", "qwen", "gpt2", "bert", "mixtral"])
@pytest.mark.parametrize("scheme", ["numbered", "glued", "random"])
def test_a_disguised_copy_without_names_is_found(family, scheme, tmp_path):
    made(tmp_path, f"{family}-0", STEPS[family], scheme, noise=0.01, tune=0.1)
    found = compare(BASES / f"{family}-0", tmp_path, Options(threads=1))
    assert found.verdict.relation is Relation.DERIVED
    assert "disguised" in [kind.kind for kind in found.verdict.kinds]
    assert found.verdict.coverage.a > 0.9


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "mixtral"])
def test_every_matrix_is_told_though_layers_and_experts_lie_elsewhere(family, tmp_path):
    names = made(tmp_path, f"{family}-0", STEPS[family], "random", noise=0.01, tune=0.1)
    found = compare(BASES / f"{family}-0", tmp_path, Options(threads=1))
    told = {rule.a: rule.b for rule in found.architecture.renames}
    inside = {name: now for name, now in names.items() if LAYER.search(name)}
    matrices = {name: now for name, now in inside.items() if name.endswith("weight") and not NORM.search(name)}
    assert len(matrices) > 15
    assert {name: told.get(name) for name in matrices} == matrices


@pytest.mark.parametrize("name", ["neurons", "values", "residual-signs", "residual-rotation", "permutation"])
def test_one_disguise_without_names_is_found_from_either_side(name, tmp_path):
    made(tmp_path, "llama-0", SIMPLE[name], "random")
    for pair in ((BASES / "llama-0", tmp_path), (tmp_path, BASES / "llama-0")):
        found = compare(*pair, Options(threads=1))
        assert found.verdict.relation is Relation.DERIVED
        assert "disguised" in [kind.kind for kind in found.verdict.kinds]


@pytest.mark.parametrize("family", ["llama", "qwen", "gpt2", "bert", "mixtral"])
@pytest.mark.parametrize("scheme", ["numbered", "random"])
def test_strangers_under_the_same_names_stay_strangers(family, scheme, tmp_path):
    made(tmp_path, f"{family}-1", STEPS[family], scheme, noise=0.01)
    for base in (0, 2):
        found = compare(BASES / f"{family}-{base}", tmp_path, Options(threads=1))
        assert found.verdict.relation in (Relation.INDEPENDENT, Relation.INCONCLUSIVE)
