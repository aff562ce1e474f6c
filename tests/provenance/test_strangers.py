"""Traps: what independently made models may have in common without one being derived from the other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from provenance import Relation, compare
from tests.checkpoints import write_values

Tensors = dict[str, np.ndarray]
RELATED = {Relation.DERIVED, Relation.COMMON_ORIGIN, Relation.IDENTICAL}


def net(seed: int, widths: tuple[int, ...] = (40, 160, 160, 96, 10)) -> Tensors:
    """A multilayer perceptron with values as training leaves them: heavy tails, unequal norms, biases."""
    rng = np.random.default_rng(seed)
    tensors: Tensors = {}
    for place, (inputs, outputs) in enumerate(pairwise(widths)):
        scale = rng.lognormal(0, 0.5, (outputs, 1)) / np.sqrt(inputs)
        tensors[f"layers.{place}.weight"] = (scale * rng.standard_t(5, (outputs, inputs))).astype(np.float32)
        tensors[f"layers.{place}.bias"] = (0.1 * rng.standard_normal(outputs)).astype(np.float32)
    return tensors


def with_identity_start(tensors: Tensors) -> Tensors:
    """Rectangular layers that started as the identity."""
    return {
        name: values + np.eye(*values.shape, dtype=np.float32) if values.ndim == 2 else values
        for name, values in tensors.items()
    }


def with_mask(tensors: Tensors) -> Tensors:
    """The same half of every matrix is zero."""
    rng = np.random.default_rng(99)
    return {
        name: values * (rng.random(values.shape) < 0.5) if values.ndim == 2 else values
        for name, values in tensors.items()
    }


def with_table(table: np.ndarray) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {"features.table": table.astype(np.float32)}


def with_shared_inputs(tensors: Tensors) -> Tensors:
    """Input features that matter alike in both models: the columns of the first layer have shared scales."""
    scales = np.random.default_rng(98).lognormal(0, 1.5, 40).astype(np.float32)
    return tensors | {"layers.0.weight": np.abs(tensors["layers.0.weight"]) * scales}


def with_untrained_parts(tensors: Tensors) -> Tensors:
    """Constants that nobody trained make up most of the values."""
    return tensors | {"adapter.lora_B.weight": np.zeros((512, 512)), "adapter.norm.weight": np.ones(4096)}


def sorted_by_norm(tensors: Tensors) -> Tensors:
    """Hidden units in the order of their norms."""
    order = np.argsort(np.linalg.norm(tensors["layers.1.weight"], axis=1))
    return tensors | {"layers.1.weight": tensors["layers.1.weight"][order]}


RNG = np.random.default_rng(97)
TRAPS: dict[str, Callable[[Tensors], Tensors]] = {
    "nothing": lambda tensors: tensors,
    "identity start": with_identity_start,
    "zero mask": with_mask,
    "input scales": with_shared_inputs,
    "untrained parts": with_untrained_parts,
    "sorted units": sorted_by_norm,
    "random features": with_table(RNG.standard_normal((64, 40))),
    "adjacency": with_table((RNG.random((96, 96)) < 0.1) * 1.0),
    "cosine transform": with_table(np.cos(np.pi / 40 * (np.arange(40)[:, None] + 0.5) * np.arange(40))),
    "relative positions": with_table(np.subtract.outer(np.arange(64), np.arange(64)) * 0.1),
    "causal mask": with_table(np.tril(np.ones((64, 64)))),
    "sinusoids": with_table(np.sin(np.arange(512)[:, None] / 10000 ** (np.arange(64) / 64))),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("seed", range(3))
def test_strangers_stay_strangers(trap: str, seed: int, tmp_path: Path) -> None:
    one, other = (TRAPS[trap](net(2 * seed + side)) for side in (0, 1))
    write_values(tmp_path / "a", one)
    write_values(tmp_path / "b", other)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.verdict.relation not in RELATED, result.verdict.clause


@pytest.mark.parametrize("trap", TRAPS)
def test_copies_among_them_are_still_found(trap: str, tmp_path: Path) -> None:
    """The same tensors with 30 % noise on every value are derived, whatever else they hold."""
    rng = np.random.default_rng(7)
    one = TRAPS[trap](net(1))
    noisy = {
        name: values + 0.3 * values.std() * rng.standard_normal(values.shape) if name.startswith("layers") else values
        for name, values in one.items()
    }
    write_values(tmp_path / "a", one)
    write_values(tmp_path / "b", {name: values.astype(np.float32) for name, values in noisy.items()})
    assert compare(tmp_path / "a", tmp_path / "b").verdict.relation is Relation.DERIVED


def test_quantised_matrices_that_differ_are_not_identical(tmp_path: Path) -> None:
    """Equal gains do not make two models equal whose matrices hold few distinct values."""
    rng = np.random.default_rng(8)
    for side in ("a", "b"):
        write_values(
            tmp_path / side,
            {
                "layers.0.weight": rng.integers(-1, 2, (128, 64)).astype(np.float32),
                "layers.1.weight": rng.integers(-1, 2, (64, 128)).astype(np.float32),
                "norm.weight": np.linspace(0.5, 1.5, 64, dtype=np.float32) ** 2,
            },
        )
    assert compare(tmp_path / "a", tmp_path / "b").verdict.relation not in RELATED


def test_a_z_beyond_chance_is_not_called_independent(tmp_path: Path) -> None:
    """A faint copy everywhere, too weak for the exact bound: the answer stays open."""
    a, b = net(1, (40, 400, 400, 10)), net(2, (40, 400, 400, 10))
    faint = {name: (values + 0.05 * a[name]).astype(np.float32) for name, values in b.items()}
    write_values(tmp_path / "a", a)
    write_values(tmp_path / "b", faint)
    assert compare(tmp_path / "a", tmp_path / "b").verdict.relation is not Relation.INDEPENDENT


def test_a_tied_output_listed_twice_is_still_identical(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    from tests.provenance.conftest import EXAMPLES

    tensors = load_file(EXAMPLES / "base" / "model.safetensors")
    tied = {name: values for name, values in tensors.items() if name != "lm_head.weight"}
    write_values(tmp_path / "a", tied)
    write_values(tmp_path / "b", tied | {"lm_head.weight": tied["model.embed_tokens.weight"]})
    for one, other in (("a", "b"), ("b", "a")):
        result = compare(tmp_path / one, tmp_path / other)
        assert result.verdict.relation is Relation.IDENTICAL
        assert not result.architecture.only_a
        assert not result.architecture.only_b


def test_kernels_of_other_sizes_are_no_obstacle(tmp_path: Path) -> None:
    """Counterparts that differ in what follows their first two axes are paired, and not tested."""
    rng = np.random.default_rng(9)
    for side, kernel in (("a", 3), ("b", 1)):
        tensors = {
            f"conv{place}.weight": rng.standard_normal((64, 64, kernel, kernel)).astype(np.float32)
            for place in (1, 2, 3)
        }
        write_values(tmp_path / side, tensors)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.verdict.relation is Relation.INCONCLUSIVE
    assert any("kernels of different sizes" in item.reason for item in result.not_measured)


def positions(seed: int, noise: float) -> Tensors:
    """A stranger with sinusoidal positions that were trained a little."""
    from tests.checkpoints import llama_shapes

    rng = np.random.default_rng(seed)
    shapes = llama_shapes(layers=2, hidden=64, mlp=160, heads=4, kv_heads=4, vocabulary=300)
    tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    angles = np.arange(256)[:, None] / 10000 ** (np.arange(32) / 32)
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    table += noise * rng.standard_normal(table.shape)
    return tensors | {"model.embed_positions.weight": table.astype(np.float32)}


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_positions_that_started_as_waves_relate_nobody(noise: float, tmp_path: Path) -> None:
    for seed, side in enumerate("ab"):
        write_values(tmp_path / side, positions(seed, noise))
    assert compare(tmp_path / "a", tmp_path / "b").verdict.relation not in RELATED


def test_biases_follow_their_matrices(tmp_path: Path) -> None:
    """Under other names, the biases of equally shaped layers are told by the matrices beside them."""
    rng = np.random.default_rng(10)
    one = {
        f"block.{layer}.{name}.{leaf}": rng.standard_normal(shape).astype(np.float32)
        for layer in range(3)
        for name in ("first", "second", "third")
        for leaf, shape in (("weight", (64, 64)), ("bias", (64,)))
    }
    swap = {"first": "zeta", "second": "eta", "third": "theta"}
    other = {}
    for name, values in one.items():
        block, layer, module, leaf = name.split(".")
        other[f"{block}.{layer}.{swap[module]}.{leaf}"] = values
    write_values(tmp_path / "a", one)
    write_values(tmp_path / "b", other)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.verdict.relation is Relation.IDENTICAL
    assert {rule.a.split(".")[2]: rule.b.split(".")[2] for rule in result.architecture.renames} == swap
