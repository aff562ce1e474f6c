"""The basis of one residual stream in terms of the other's, on trained models; heads turned back; none of strangers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.zoo import symmetries as by
from bench.zoo.derivatives.disguises import disguise
from bench.zoo.matrices import orthogonal
from bench.zoo.model import Model
from bench.zoo.symmetries import Symmetry
from bench.zoo.train import generator
from fingerprints.alignment.disguise import Undone, undo
from fingerprints.alignment.tower_search import AlignmentSettings
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import pair_parts
from tests.in_memory import InMemory

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"


def undone(a: Model, b: Model) -> Undone | None:
    sides = tuple(InMemory({name: value.float().numpy() for name, value in model.tensors.items()}) for model in (a, b))
    anatomies = build_anatomy(sides[0]), build_anatomy(sides[1])
    return undo(anatomies, sides, pair_parts(*anatomies), AlignmentSettings(), thorough=True)


def disguised(base: str, *steps: Symmetry, noise: float = 0.0) -> Model:
    model, random = Model.read(BASES / base), generator("noise", base)
    moved = {
        name: value + noise * value.std() * torch.randn(value.shape, generator=random, dtype=value.dtype)
        for name, value in sorted(model.tensors.items())
        if value.ndim > 1
    }
    return disguise(model.updated(moved), steps, generator("basis", base))


@pytest.mark.parametrize("steps", [(), (by.permute_vocabulary,), (by.permute_vocabulary, by.permute_neurons)])
def test_the_rotation_comes_back(steps: Sequence[Symmetry]) -> None:
    """Whether tokens are in one order, or nothing is; the matrix that was drawn, transposed, as rows are turned."""
    found = undone(Model.read(BASES / "llama-0"), disguised("llama-0", by.rotate_residual, *steps))
    assert found is not None
    (basis,) = found.bases.values()
    wanted = orthogonal(96, generator("basis", "llama-0")).T.numpy()
    assert np.linalg.norm(basis.matrix - wanted) / np.linalg.norm(wanted) < 1e-3
    assert basis.columns is None
    assert basis.tokens is (not steps)
    assert basis.scale == pytest.approx(1.0, abs=0.01)
    assert basis.share > 0.99


def test_the_scale_of_the_stream_comes_back() -> None:
    found = undone(Model.read(BASES / "llama-0"), disguised("llama-0", by.scale_residual, by.rotate_residual))
    factor = 1.5 * 2 ** torch.rand((), generator=generator("basis", "llama-0"), dtype=torch.float64).item()
    assert found is not None
    (basis,) = found.bases.values()
    assert basis.scale == pytest.approx(factor, rel=0.02)


def test_after_a_tuning_by_a_tenth_the_rotation_is_as_near_as_that() -> None:
    child = disguised("llama-0", by.rotate_residual, by.permute_vocabulary, by.permute_neurons, noise=0.1)
    found = undone(Model.read(BASES / "llama-0"), child)
    assert found is not None
    (basis,) = found.bases.values()
    wanted = orthogonal(96, generator("basis", "llama-0")).T.numpy()
    assert np.linalg.norm(basis.matrix - wanted) / np.linalg.norm(wanted) < 0.1


def test_a_permutation_with_signs_comes_back_as_that() -> None:
    found = undone(Model.read(BASES / "llama-0"), disguised("llama-0", by.permute_residual, by.flip_residual))
    assert found is not None
    (basis,) = found.bases.values()
    random = generator("basis", "llama-0")
    order = torch.randperm(96, generator=random).numpy()
    signs = 2 * torch.randint(2, (96,), generator=random).numpy() - 1
    assert basis.columns is not None
    assert basis.signs is not None
    assert basis.columns.tolist() == np.argsort(order).tolist()
    assert basis.signs.tolist() == signs[np.argsort(order)].tolist()
    for pair in found.alignment.pairing.pairs:
        if pair.a.kind == "matrix":
            x, y = (
                side.rows(part.name, 0, part.shape[0])
                for side, part in ((found.alignment.a, pair.a), (found.alignment.b, pair.b))
            )
            np.testing.assert_allclose(x, y, rtol=1e-5)


@pytest.mark.parametrize("step", [by.permute_heads, by.mix_values, by.mix_queries])
def test_heads_are_turned_back(step: Symmetry) -> None:
    """In place, values of both sides are the same again."""
    found = undone(Model.read(BASES / "llama-0"), disguised("llama-0", by.rotate_residual, step))
    assert found is not None
    (tower,) = found.alignment.towers
    moved = {units.layers for units in tower.units if units.meaning == "head"} | {key[1:] for key in found.turns}
    assert len(moved) == 5
    for pair in found.alignment.pairing.pairs:
        if "self_attn" in pair.a.name and len(pair.a.shape) == 2:
            x, y = (
                side.rows(part.name, 0, part.shape[0])
                for side, part in ((found.alignment.a, pair.a), (found.alignment.b, pair.b))
            )
            assert np.linalg.norm(x - y) / np.linalg.norm(x) < 1e-2, pair.a.name


@pytest.mark.parametrize("family", ["llama", "qwen", "gpt2", "mixtral"])
def test_strangers_have_no_basis_in_common(family: str) -> None:
    for other in (disguised(f"{family}-1"), disguised(f"{family}-2", by.permute_residual)):
        found = undone(Model.read(BASES / f"{family}-0"), other)
        assert found is None or not (found.bases or found.turns)
