"""Published encoders disguised: each symmetry alone, all of them, and what may happen before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.zoo import folder
from bench.zoo import symmetries as by
from bench.zoo.derivatives.disguises import SAID, cast, disguise
from bench.zoo.derivatives.laundering import anonymous, reshard
from bench.zoo.model import Model
from bench.zoo.published import encoder
from bench.zoo.symmetries import Symmetry
from bench.zoo.train import generator
from provenance import Relation, Result, compare
from tests.provenance.test_disguises import in_four_bits, moved

EVERYTHING = (
    by.permute_residual,
    by.permute_neurons,
    by.permute_heads,
    by.mix_queries,
    by.mix_values,
    by.permute_vocabulary,
)
HEADS, NEURONS, WIDTH = 4, 512, 256
"""Of rxnfp's encoders."""


def orders() -> tuple[Tensor, list[Tensor]]:
    """Where `EVERYTHING` takes the dimensions of the stream from, and the neurons of every layer."""
    random = generator("published")
    return torch.randperm(WIDTH, generator=random), [torch.randperm(NEURONS, generator=random) for _ in range(12)]


def child(source: Path, steps: Sequence[Symmetry], place: Path) -> Path:
    """The encoder of a folder, disguised, float32."""
    return stored(disguise(encoder(source), steps, generator("published")), place)


def stored(model: Model, place: Path, dtype: torch.dtype = torch.float32) -> Path:
    whole = cast(model, dtype)
    return folder.write(place, whole.tensors, whole.config)


def transforms(result: Result) -> dict[str, dict[str, Any]]:
    assert result.verdict.relation is Relation.DERIVED, result.verdict.clause
    (found,) = [kind.parameters for kind in result.verdict.kinds if kind.kind == "disguised"]
    return {each["what"]: dict(each) for each in found["transform"]}


def assert_undone(result: Result) -> None:
    """Everything is named, and every dimension and neuron is where it was taken from."""
    found = transforms(result)
    assert {SAID[step] for step in EVERYTHING} <= found.keys()
    stream, neurons = orders()
    assert np.mean(np.array(found["residual stream permuted"]["permutation"]) == torch.argsort(stream).numpy()) >= 0.99
    listed = [each for each in found["neurons permuted"]["permutations"] if not each["role"]]
    assert [each["layer"] for each in listed] == list(range(12))
    for each, order in zip(listed, neurons, strict=True):
        recovered = np.full(NEURONS, -1)
        recovered[each.get("a", np.arange(NEURONS))] = each["b"]
        assert np.mean(recovered == torch.argsort(order).numpy()) >= 0.99
    assert result.verdict.coverage.b > 0.98


@pytest.mark.parametrize("step", EVERYTHING, ids=lambda step: step.__name__)
def test_one_disguise_is_named_and_nothing_else(step: Symmetry, rxnfp: Path, tmp_path: Path) -> None:
    result = compare(rxnfp / "bert_pretrained", child(rxnfp / "bert_pretrained", (step,), tmp_path / "child"))
    assert set(transforms(result)) == {SAID[step]}
    kinds = {kind.kind for kind in result.verdict.kinds if not kind.packaging}
    assert kinds <= {"disguised", "component_reuse"}
    assert result.verdict.coverage.b > 0.98


def test_everything_at_once_on_a_published_fine_tune(rxnfp: Path, tmp_path: Path) -> None:
    result = compare(rxnfp / "bert_pretrained", child(rxnfp / "bert_ft", EVERYTHING, tmp_path / "child"))
    assert_undone(result)


def test_with_noise_under_other_names_in_other_shards_and_rounded(rxnfp: Path, tmp_path: Path) -> None:
    source = rxnfp / "bert_pretrained"
    model = moved(disguise(encoder(source), EVERYTHING, generator("published")), 0.01, "noise")
    stored(anonymous(model, generator("published names")), tmp_path / "child", torch.bfloat16)
    reshard(tmp_path / "child", 4)
    result = compare(source, tmp_path / "child")
    assert_undone(result)
    (left,) = [kind.parameters for kind in result.verdict.kinds if "relative_change" in kind.parameters]
    assert left["relative_change"] < 0.0105


@pytest.mark.parametrize("four_bits", [False, True])
def test_after_a_tuning_by_a_tenth(four_bits: bool, rxnfp: Path, tmp_path: Path) -> None:
    source = rxnfp / "bert_pretrained"
    model = disguise(moved(encoder(source), 0.1, "tuned"), EVERYTHING, generator("published"))
    result = compare(source, stored(in_four_bits(model) if four_bits else model, tmp_path / "child"))
    assert_undone(result)
    kinds = {kind.kind for kind in result.verdict.kinds}
    assert ("quantised" in kinds) is four_bits
    assert "vocabulary_change" not in kinds


def test_a_few_heads_that_stayed_in_place_explain_nothing(minilm: Path, tmp_path: Path) -> None:
    """One of twelve, on average, does: enough for dependence, and not for what happened to the others."""
    result = compare(minilm, child(minilm, (by.permute_heads,), tmp_path / "child"))
    assert set(transforms(result)) == {"heads permuted"}
    assert {kind.kind for kind in result.verdict.kinds if not kind.packaging} == {"disguised"}


def test_a_disguised_stranger_of_one_make(minilm: Path, rxnfp: Path, tmp_path: Path) -> None:
    steps = [step for step in EVERYTHING if step is not by.permute_vocabulary]
    result = compare(rxnfp / "bert_pretrained", child(minilm, steps, tmp_path / "child"))
    assert result.verdict.relation in (Relation.INDEPENDENT, Relation.INCONCLUSIVE)
    assert result.verdict.coverage.a == 0
