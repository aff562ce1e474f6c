"""Embeddings in another basis are the same ones; those of strangers come no nearer than language brings them."""

from __future__ import annotations

import numpy as np
import pytest

from bench.zoo import bases
from bench.zoo import symmetries as by
from bench.zoo.derivatives.disguises import disguise
from bench.zoo.model import Model
from bench.zoo.train import generator
from fingerprints.alignment.embeddings import embedding_rows
from fingerprints.alignment.table_basis import table_agreement
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import pair_parts
from provenance.thresholds import thresholds
from tests.in_memory import InMemory


def agreement(a: Model, b: Model) -> float | None:
    sides = [InMemory({name: value.float().numpy() for name, value in model.tensors.items()}) for model in (a, b)]
    return table_agreement(embedding_rows(pair_parts(*map(build_anatomy, sides)), *sides))


def base(name: str) -> Model:
    return Model.read(bases.BASES[name].folder)


@pytest.mark.parametrize("family", ["llama", "qwen", "gpt2"])
def test_a_rotated_table_is_told_from_strangers(family: str) -> None:
    turned = disguise(base(f"{family}-0"), (by.rotate_residual,), generator("table", family))
    assert agreement(base(f"{family}-0"), turned) == pytest.approx(1.0, abs=1e-3)
    for other in (1, 2):
        found = agreement(base(f"{family}-{other}"), turned)
        assert found is not None
        assert found < thresholds().table_agreement - 0.02


def test_no_embedding_and_none_that_is_finite() -> None:
    model = base("llama-0")
    name = "model.embed_tokens.weight"
    none = model.updated({name: model.tensors[name] * np.nan})
    assert agreement(model, none) is None
    bare = {key: value.float().numpy() for key, value in model.tensors.items() if key != name}
    side = InMemory(bare)
    assert table_agreement(embedding_rows(pair_parts(build_anatomy(side), build_anatomy(side)), side, side)) is None
