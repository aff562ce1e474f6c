"""Dimensions of a permuted stream are recognised by what they hold of the tokens; those of strangers hardly ever."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bench.zoo import bases
from bench.zoo import symmetries as by
from bench.zoo.derivatives.disguises import disguise
from bench.zoo.model import Model
from bench.zoo.train import generator
from fingerprints.alignment.embeddings import embedding_rows
from fingerprints.alignment.moved_dimensions import moved_dimensions, share_moved
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import pair_parts
from provenance.thresholds import thresholds
from tests.in_memory import InMemory


def moved(a: Model, b: Model) -> float | None:
    sides = [InMemory({name: value.float().numpy() for name, value in model.tensors.items()}) for model in (a, b)]
    return moved_dimensions(embedding_rows(pair_parts(*map(build_anatomy, sides)), *sides))


def base(name: str) -> Model:
    return Model.read(bases.BASES[name].folder)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_models_that_began_alike_keep_dimensions_in_common_when_one_is_permuted(family: str) -> None:
    permuted = disguise(base(f"{family}-0"), (by.permute_residual,), generator("moved", family))
    found = moved(base(f"{family}-0-other"), permuted)
    assert found is not None
    assert found > 1.5 * thresholds().moved_dimensions


@pytest.mark.parametrize("family", ["llama", "qwen", "gpt2", "bert", "mixtral"])
def test_strangers_of_one_tokenizer_and_text_have_few_such_dimensions(family: str) -> None:
    for one, other in combinations(range(3), 2):
        found = moved(base(f"{family}-{one}"), base(f"{family}-{other}"))
        assert found is not None
        assert found < thresholds().moved_dimensions / 2


def test_random_tables_have_hardly_any_and_permuted_ones_all() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 600, 700)).astype(np.float32)
    order = rng.permutation(700)
    assert share_moved(x, y) < 0.02
    assert share_moved(x, -x[:, order] + 0.3 * y) == 1.0
    assert share_moved(x[:20], x[:20]) == 0.0
