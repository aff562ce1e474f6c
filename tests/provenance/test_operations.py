"""Operations on trained weights, named with their parameters; what only resembles one is not named so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from provenance import Options, Relation, compare
from provenance.result import Kind, Verdict
from tests.provenance.conftest import EXAMPLES

BASES = Path(__file__).parents[2] / "bench" / "data" / "bases"
Weights = Mapping[str, np.ndarray]


def base() -> dict[str, np.ndarray]:
    return load_file(BASES / "llama-0" / "model.safetensors")


def linear(name: str) -> bool:
    return "layers" in name and "norm" not in name


def rewritten(change: Callable[[str, np.ndarray], np.ndarray], chosen: Callable[[str], bool] = linear) -> Weights:
    """The base with some tensors changed in float32 and rounded to its type again."""
    return {
        name: change(name, value.astype(np.float32)).astype(ml_dtypes.bfloat16) if chosen(name) else value
        for name, value in base().items()
    }


def verdict(tmp_path: Path, weights: Weights, *, turned: bool = False) -> Verdict:
    (tmp_path / "child").mkdir()
    save_file(dict(weights), tmp_path / "child" / "model.safetensors")
    pair = (BASES / "llama-0", tmp_path / "child")
    found = compare(*(pair[::-1] if turned else pair), Options(threads=1)).verdict
    assert found.relation is Relation.DERIVED
    return found


def only(found: Verdict) -> Kind:
    (kind,) = (kind for kind in found.kinds if not kind.packaging)
    return kind


def low_rank(rank: int, size: float) -> Callable[[str, np.ndarray], np.ndarray]:
    def change(name: str, value: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(len(name) + sum(map(ord, name)))
        product = rng.standard_normal((value.shape[0], rank)) @ rng.standard_normal((rank, value.shape[1]))
        return value + size * np.linalg.norm(value) / np.linalg.norm(product) * product

    return change


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("rank", [2, 8])
def test_a_merged_adapter_has_its_rank_and_targets(tmp_path: Path, rank: int, turned: bool) -> None:
    weights = rewritten(low_rank(rank, 0.1), lambda name: name.endswith(("q_proj.weight", "v_proj.weight")))
    found = verdict(tmp_path, weights, turned=turned)
    kind = only(found)
    assert kind.kind == "adapter_merge"
    assert kind.parameters["rank"] == rank
    assert kind.parameters["targets"] == ["q_proj", "v_proj"]
    assert found.direction == ("b_to_a" if turned else "a_to_b")


def rounded_to_groups(bits: int, group: int) -> Callable[[str, np.ndarray], np.ndarray]:
    def change(_: str, value: np.ndarray) -> np.ndarray:
        grouped = value.reshape(-1, group)
        low, high = grouped.min(axis=1, keepdims=True), grouped.max(axis=1, keepdims=True)
        scale = (high - low) / (2**bits - 1)
        return (np.round((grouped - low) / scale) * scale + low).reshape(value.shape)

    return change


@pytest.mark.parametrize(("bits", "group"), [(4, 32), (3, 32), (2, 16)])
def test_a_round_trip_through_few_bits_is_no_fine_tune(tmp_path: Path, bits: int, group: int) -> None:
    found = verdict(tmp_path, rewritten(rounded_to_groups(bits, group)))
    kind = only(found)
    assert kind.kind == "quantised"
    expected: dict[str, Any] = {"bits": bits, "group_size": group, "rounding": "to nearest", "child": "b"}
    assert {key: kind.parameters[key] for key in expected} == expected
    assert found.direction == "a_to_b"


def keeping(n: int, m: int) -> Callable[[str, np.ndarray], np.ndarray]:
    def change(_: str, value: np.ndarray) -> np.ndarray:
        grouped = value.reshape(-1, m).copy()
        smallest = np.abs(grouped).argsort(axis=1)[:, :n]
        np.put_along_axis(grouped, smallest, 0.0, axis=1)
        return grouped.reshape(value.shape)

    return change


def test_zeros_in_every_four_are_a_pattern(tmp_path: Path) -> None:
    kind = only(verdict(tmp_path, rewritten(keeping(2, 4))))
    assert kind.kind == "pruned_n_m"
    assert kind.parameters["pattern"] == "2:4"
    assert kind.parameters["sparsity"] == pytest.approx(0.5, abs=0.01)


def test_zeros_anywhere_are_none(tmp_path: Path) -> None:
    def smallest(_: str, value: np.ndarray) -> np.ndarray:
        return np.where(np.abs(value) < np.quantile(np.abs(value), 0.7), 0, value)

    found = verdict(tmp_path, rewritten(smallest))
    kind = only(found)
    assert kind.kind == "pruned_unstructured"
    assert kind.parameters["sparsity"] == pytest.approx(0.7, abs=0.01)
    assert found.direction == "a_to_b"


def test_noise_is_told_from_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = rewritten(lambda _, value: value + 0.1 * value.std() * rng.standard_normal(value.shape))
    found = verdict(tmp_path, noisy)
    kind = only(found)
    assert kind.kind == "noise_added"
    assert kind.parameters["relative_change"] == pytest.approx(0.1, rel=0.1)
    assert found.direction == "a_to_b"


def test_one_direction_taken_out_of_what_is_written_is_abliteration(tmp_path: Path) -> None:
    direction = np.random.default_rng(0).standard_normal(96)
    direction /= np.linalg.norm(direction)

    def without(_: str, value: np.ndarray) -> np.ndarray:
        return value - np.outer(direction, direction @ value)

    written = rewritten(without, lambda name: name.endswith(("o_proj.weight", "down_proj.weight")))
    found = verdict(tmp_path, written)
    assert only(found).kind == "abliterated"
    assert found.direction == "a_to_b"


def test_adapters_of_rank_one_in_several_directions_are_no_abliteration(tmp_path: Path) -> None:
    weights = rewritten(low_rank(1, 0.1), lambda name: name.endswith(("o_proj.weight", "down_proj.weight")))
    kind = only(verdict(tmp_path, weights))
    assert (kind.kind, kind.parameters["rank"]) == ("adapter_merge", 1)


@pytest.mark.parametrize("rows", [None, 16])
def test_a_real_fine_tune_is_nothing_else(rows: int | None) -> None:
    """Rows of tokens that training never saw move alike; a few rows may be no others."""
    found = compare(EXAMPLES / "base", EXAMPLES / "tuned", Options(threads=1, rows=rows)).verdict
    assert only(found).kind == "fine_tune"
    assert found.direction == "undirected"
