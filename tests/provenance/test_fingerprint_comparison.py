from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from fingerprints.errors import UsageError
from fingerprints.fingerprint import Grade
from provenance.comparison import compare
from provenance.decomposition.decompose import decompose
from provenance.fingerprinting import fingerprint
from provenance.inspection import inspect
from provenance.medians import sure_median
from provenance.options import Options
from provenance.result import Relation
from tests.checkpoints import write_values

ROOT = Path(__file__).parents[2]
BASES = ROOT / "bench" / "data" / "bases"
EXAMPLES = ROOT / "examples"
RELATED = {Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN}


def taken(folder: Path, model: Path, *, whole: bool | None = None, grade: Grade = Grade.FULL) -> Path:
    target = folder / f"{model.name}.safetensors"
    target.write_bytes(fingerprint(model, whole=whole, grade=grade)[0])
    return target


@pytest.fixture(scope="module")
def prints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("prints")
    names = ("bert-0", "bert-1", "llama-0", "llama-1", "llama-2", "qwen-0", "qwen-1", "gpt2-0", "gpt2-1")
    return {name: taken(folder, BASES / name) for name in names}


def test_strangers_are_never_related(prints: dict[str, Path]) -> None:
    relations = [compare(prints[one], prints[other]).verdict.relation for one, other in combinations(sorted(prints), 2)]
    assert set(relations) <= {Relation.INDEPENDENT, Relation.INCONCLUSIVE}
    assert relations.count(Relation.INDEPENDENT) >= 4


def test_a_fine_tune_is_derived_in_every_combination_of_weights_and_fingerprints(tmp_path: Path) -> None:
    a, b = taken(tmp_path, EXAMPLES / "base"), taken(tmp_path, EXAMPLES / "tuned")
    truth = compare(EXAMPLES / "base", EXAMPLES / "tuned").verdict
    for left, right in ((a, b), (a, EXAMPLES / "tuned"), (EXAMPLES / "base", b)):
        found = compare(left, right).verdict
        assert found.relation is truth.relation is Relation.DERIVED
        assert found.effect == pytest.approx(truth.effect, abs=0.05)
        assert compare(left, EXAMPLES / "stranger").verdict.relation not in RELATED


def test_identical_needs_digests_of_all_values(tmp_path: Path) -> None:
    whole = taken(tmp_path, EXAMPLES / "base")
    (tmp_path / "sampled").mkdir()
    sampled = taken(tmp_path / "sampled", EXAMPLES / "base", whole=False)
    assert compare(whole, EXAMPLES / "base").verdict.relation is Relation.IDENTICAL
    found = compare(sampled, whole).verdict
    assert found.relation is Relation.DERIVED
    assert "no digests of all values" in found.clause


def permuted(model: Path, folder: Path) -> Path:
    """The same function with residual dimensions and neurons in another order."""
    tensors = load_file(model / "model.safetensors")
    rng = np.random.default_rng(0)
    hidden = tensors["model.norm.weight"].shape[0]
    order = rng.permutation(hidden)
    for name, values in tensors.items():
        module = name.split(".")[-2]
        if values.ndim == 1 or module in ("o_proj", "down_proj"):
            values = values[order]
        elif values.shape[1] == hidden:
            values = values[:, order]
        tensors[name] = values
    for layer in {name.split(".")[2] for name in tensors if name.startswith("model.layers.")}:
        at = f"model.layers.{layer}.mlp"
        neurons = rng.permutation(tensors[f"{at}.up_proj.weight"].shape[0])
        for first in ("gate_proj", "up_proj"):
            tensors[f"{at}.{first}.weight"] = tensors[f"{at}.{first}.weight"][neurons]
        tensors[f"{at}.down_proj.weight"] = tensors[f"{at}.down_proj.weight"][:, neurons]
    return write_values(folder, tensors)


def test_a_permuted_copy_is_not_called_independent(tmp_path: Path, prints: dict[str, Path]) -> None:
    copy = permuted(BASES / "llama-0", tmp_path / "copy")
    found = compare(prints["llama-0"], copy).verdict
    assert found.relation is Relation.INCONCLUSIVE
    assert "compare the checkpoints" in found.summary


@pytest.mark.parametrize("grade", list(Grade))
def test_a_permuted_relative_of_which_nothing_but_the_start_is_shared_is_left_open(
    grade: Grade, tmp_path: Path
) -> None:
    copy = permuted(BASES / "llama-0", tmp_path / "copy")
    a, b = taken(tmp_path, BASES / "llama-0-other", grade=grade), taken(tmp_path, copy, grade=grade)
    found = compare(a, b).verdict
    assert found.relation is Relation.INCONCLUSIVE
    assert "look like units of other numbers" in found.summary


def test_few_gains_that_agree_do_not_make_models_that_began_alike_derived(tmp_path: Path) -> None:
    tensors = load_file(BASES / "bert-0" / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if not re.search(r"layer\.[23]\.", name)}
    assert len(kept) < len(tensors)
    a, short = BASES / "bert-0-other", write_values(tmp_path / "short", kept)
    found = compare(taken(tmp_path, a, grade=Grade.SCAN), taken(tmp_path, short, grade=Grade.SCAN)).verdict
    assert found.relation is compare(a, short).verdict.relation is Relation.COMMON_ORIGIN


@given(st.lists(st.floats(-1, 1), max_size=60), st.randoms())
def test_the_sure_median_does_not_depend_on_order_and_is_one_of_the_lower_half(
    values: list[float], random: Random
) -> None:
    found = sure_median(values)
    mixed = random.sample(values, len(values))
    assert sure_median(mixed) == found
    if not values:
        assert found is None
    elif len(values) < 5:
        assert found == -1.0
    else:
        assert found is not None
        assert found <= sorted(values)[(len(values) - 1) // 2] + 1e-6


def test_the_sure_median_is_too_large_as_rarely_as_it_should_be() -> None:
    drawn = np.random.default_rng(0).random((2000, 24))
    bounds = [sure_median(list(map(float, row))) for row in drawn]
    assert 0 < np.mean([bound is not None and bound > 0.5 for bound in bounds]) <= 0.05


def test_what_fingerprints_cannot_tell_is_listed_and_options_for_it_are_refused(prints: dict[str, Path]) -> None:
    result = compare(prints["llama-0"], prints["llama-1"])
    assert {item.signal for item in result.not_measured} >= {"disguise", "layer, width and expert maps"}
    with pytest.raises(UsageError, match="--full needs the weights"):
        compare(prints["llama-0"], prints["llama-1"], Options(full=True))
    with pytest.raises(UsageError, match="fingerprint"):
        decompose(prints["llama-0"], [prints["llama-1"], prints["llama-2"]])


def test_inspect_shows_the_checkpoint_behind_a_fingerprint(prints: dict[str, Path]) -> None:
    found, truth = inspect(prints["llama-0"]), inspect(BASES / "llama-0")
    assert found.model.format == "fingerprint"
    assert found.model.learned_params == truth.model.learned_params
    assert [each.pattern for each in found.templates] == [each.pattern for each in truth.templates]
    assert found.claims["model_type"] == "llama"
