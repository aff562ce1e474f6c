"""Matrices that lie below one another in one: keys over values, the experts of a layer."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.layouts import harmonised
from tests.fingerprints.layouts.test_harmony import NEURONS, Arrays, E, H, attention, experts, same, whole
from tests.in_memory import InMemory


def key_and_value(arrays: Arrays) -> Arrays:
    """Keys over values in one matrix, queries in their own."""
    result = {name: values for name, values in arrays.items() if "k_proj" not in name and "v_proj" not in name}
    for name, values in arrays.items():
        if "k_proj" in name:
            both = np.concatenate([values, arrays[name.replace("k_proj", "v_proj")]])
            result[name.replace("k_proj", "kv_proj")] = both
    return result


def test_key_and_value_in_one_are_two() -> None:
    arrays = attention(24, 12, 24, fused=False)
    a, b, notes = harmonised(InMemory(arrays), InMemory(key_and_value(arrays)))
    assert same(whole(a), whole(b))
    assert [(note.side, note.layout, note.tensors, note.views) for note in notes] == [("b", "fused_kv", 2, 4)]


@pytest.mark.parametrize("name", ["kv_a_proj_with_mqa", "kv_b_proj", "kv_something"])
def test_other_matrices_of_keys_and_values_are_left_alone(name: str) -> None:
    arrays = attention(24, 12, 24, fused=False)
    fused = {key.replace("kv_proj", name): values for key, values in key_and_value(arrays).items()}
    assert harmonised(InMemory(arrays), InMemory(fused))[2] == ()


def neighbouring(arrays: Arrays) -> Arrays:
    """Experts below one another, as DBRX has them."""
    result = {name.replace("mlp.gate", "mlp.router.layer"): v for name, v in arrays.items() if ".experts." not in name}
    for at in sorted({name.partition(".experts.")[0] for name in arrays if ".experts." in name}):
        for called, part in (("w1", "gate"), ("v1", "up"), ("w2", "down")):
            each = [arrays[f"{at}.experts.{e}.{part}_proj.weight"] for e in range(E)]
            result[f"{at}.experts.mlp.{called}"] = np.concatenate([one.T if part == "down" else one for one in each])
    return result


def test_neighbouring_experts_become_experts() -> None:
    arrays = experts()
    _, b, notes = harmonised(InMemory(arrays), InMemory(neighbouring(arrays)))
    found = whole(b)
    assert all(np.array_equal(found[name], values) for name, values in arrays.items() if ".experts." in name)
    assert [(note.layout, note.tensors, note.views) for note in notes] == [("neighbouring_experts", 6, 18)]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("router.layer.weight", (E + 4, H)),
        ("router.layer.weight", (0, H)),
        ("router.layer.weight", (E, H + 1)),
        ("router.layer.weight", (E,)),
        ("experts.mlp.w2", (E * NEURONS, H + 1)),
        ("experts.mlp.v1", (E * NEURONS + E, H)),
        ("experts.mlp.v1", (E, NEURONS, H)),
        ("gate.weight", (E, H)),
    ],
)
def test_neighbouring_experts_that_do_not_fit_their_router_are_left_alone(name: str, shape: tuple[int, ...]) -> None:
    arrays = neighbouring(experts(layers=1)) | {f"model.layers.0.mlp.{name}": np.ones(shape, np.float32)}
    assert not [note for note in harmonised(InMemory(arrays), InMemory(arrays))[2] if note.layout.startswith("neigh")]


def test_a_great_many_neighbouring_experts_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprints.layouts.neighbouring_experts.MOST_VIEWS", 17)
    assert harmonised(InMemory(neighbouring(experts())), InMemory(experts()))[2] == ()
