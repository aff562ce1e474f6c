"""The table of renames: laws between the numbers, and the names of real models that were all lost."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from provenance import Options, Relation, compare
from provenance.result import ArchitectureRelation, Basis, Result
from tests.checkpoints import llama_shapes, write_values
from tests.in_memory import gaussian

Values = dict[str, np.ndarray]
LLAMA = gaussian(llama_shapes(layers=6, hidden=64, mlp=96, heads=4, kv_heads=4, vocabulary=128), 0)


def table(result: Result) -> dict[str, str]:
    return {rule.a: rule.b for rule in result.architecture.renames}


def lost(values: Values, seed: int = 4) -> tuple[Values, dict[str, str]]:
    """The same tensors under random names, in the order of these, and which is which."""
    source = random.Random(seed)
    becomes = {name: f"t{source.getrandbits(40):010x}" for name in values}
    return {becomes[name]: values[name] for name in sorted(values, key=becomes.__getitem__)}, becomes


def moved(values: Mapping[str, np.ndarray], amount: float, seed: int = 0) -> Values:
    """Every float tensor changed by a share of its spread."""
    rng = np.random.default_rng(seed)
    return {
        name: each + (amount * each.std() * rng.standard_normal(each.shape)).astype(each.dtype)
        if each.dtype.kind == "f"
        else each
        for name, each in values.items()
    }


def told(result: Result) -> dict[str, str]:
    """The table as old names to new ones; every rule stands for one tensor."""
    assert all(rule.count == 1 for rule in result.architecture.renames)
    return table(result)


@pytest.mark.parametrize(
    ("law", "there", "back"),
    [
        (lambda i: i + 1, "{i+1}", "{i-1}"),
        (lambda i: i + 100, "{i+100}", "{i-100}"),
        (lambda i: 2 * i, "{2*i}", "{i/2}"),
        (lambda i: 3 * i + 2, "{3*i+2}", "{(i-2)/3}"),
    ],
)
def test_the_law_between_the_numbers_is_one_rule(
    law: Callable[[int], int], there: str, back: str, tmp_path: Path
) -> None:
    other = {re.sub(r"(?<=layers\.)\d", lambda n: str(law(int(n[0]))), name): each for name, each in LLAMA.items()}
    renamed = 54 if law(0) else 45
    a, b = write_values(tmp_path / "a", LLAMA), write_values(tmp_path / "b", other)
    for one, two, expected in ((a, b, there), (b, a, back)):
        result = compare(one, two)
        assert result.verdict.relation is Relation.IDENTICAL
        [rule] = result.architecture.renames
        assert (rule.a, rule.b) == ("model.layers.{i}.*", f"model.layers.{expected}.*")
        assert (rule.count, rule.basis, rule.ambiguous) == (renamed, Basis.WEIGHTS, False)


def test_layers_in_reverse_under_other_names(tmp_path: Path) -> None:
    other = {
        re.sub(r"model\.layers\.(\d)", lambda n: f"net.cell_{5 - int(n[1]):02}", name): each
        for name, each in LLAMA.items()
    }
    result = compare(write_values(tmp_path / "a", LLAMA), write_values(tmp_path / "b", moved(other, 0.1)))
    assert result.verdict.relation is Relation.DERIVED
    rules = table(result)
    assert rules["model.layers.{i}.mlp.up_proj.weight"] == "net.cell_{5-i:02}.mlp.up_proj.weight"
    assert sum(rule.count for rule in result.architecture.renames) == 54


def test_without_a_law_every_tensor_is_listed(tmp_path: Path) -> None:
    order = [3, 0, 5, 1, 2, 4]
    becomes = {name: re.sub(r"layers\.(\d)", lambda n: f"cell.{order[int(n[1])]}", name) for name in LLAMA}
    other = {becomes[name]: each for name, each in LLAMA.items()}
    result = compare(write_values(tmp_path / "a", LLAMA), write_values(tmp_path / "b", other))
    assert result.verdict.relation is Relation.IDENTICAL
    assert told(result) == {old: new for old, new in becomes.items() if old != new}


@pytest.mark.parametrize("amount", [0.0, 0.1])
def test_the_names_of_a_real_model_are_told_from_its_weights_alone(minilm: Path, tmp_path: Path, amount: float) -> None:
    values = load_file(minilm / "model.safetensors")
    other, becomes = lost(moved(values, amount))
    result = compare(minilm, write_values(tmp_path, other))
    assert result.verdict.relation is (Relation.DERIVED if amount else Relation.IDENTICAL)
    assert result.architecture.relation is ArchitectureRelation.RENAMED
    assert told(result) == becomes
    assert not any(rule.ambiguous for rule in result.architecture.renames)
    assert {rule.b for rule in result.architecture.renames if rule.basis is not Basis.WEIGHTS} <= {
        becomes[name] for name in values if name.endswith(("position_ids", "token_type_embeddings.weight"))
    }


def test_the_names_of_a_real_fine_tune_are_told_from_its_weights_alone(rxnfp: Path, tmp_path: Path) -> None:
    stored = torch.load(rxnfp / "bert_ft" / "pytorch_model.bin", map_location="cpu", weights_only=True)
    other, becomes = lost({name: each.numpy() for name, each in stored.items()})
    result = compare(rxnfp / "bert_pretrained", write_values(tmp_path, other))
    assert result.verdict.relation is Relation.DERIVED
    found = told(result)
    assert {old: found.get(f"bert.{old}", found.get(old)) for old in becomes} == becomes


def test_strangers_without_names_stay_strangers(tmp_path: Path) -> None:
    """The search pays for itself: many random names, and no related verdict."""
    a = write_values(tmp_path / "a", LLAMA)
    for seed in range(5):
        other, _ = lost(gaussian({name: each.shape for name, each in LLAMA.items()}, 100 + seed), seed)
        result = compare(a, write_values(tmp_path / f"b{seed}", other), Options(full=True))
        assert result.verdict.relation is Relation.INDEPENDENT
        assert all(rule.basis is not Basis.WEIGHTS for rule in result.architecture.renames)
