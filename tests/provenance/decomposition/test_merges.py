"""Merges by mergekit, taken apart again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from provenance.decomposition.decompose import decompose
from provenance.decomposition.result import Decomposition, Outcome
from tests.merges import base, merged, stored, torch, tuned

DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("family")
    found = {"base": stored(folder / "base", base())}
    return found | {f"p{seed}": stored(folder / f"p{seed}", tuned(seed)) for seed in (1, 2, 3)}


def holds(found: Decomposition, truth: tuple[float, ...], tolerance: float) -> bool:
    """Whether weights are within the tolerance, and intervals hold the truth."""
    for parent, weight in zip(found.parents, truth, strict=True):
        assert parent.weight is not None
        assert parent.interval is not None
        assert abs(parent.weight - weight) <= tolerance, found.parents
        assert parent.interval[0] <= weight <= parent.interval[1], found.parents
    return True


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights", [(0.571, 0.429), (0.85, 0.15), (0.5, 0.3, 0.2)])
def test_linear(family: dict[str, Path], tmp_path: Path, dtype: str, weights: tuple[float, ...]) -> None:
    parents = [tuned(seed) for seed in (1, 2, 3)[: len(weights)]]
    model = stored(tmp_path, merged("linear", parents, weight=weights, dtype=DTYPES[dtype]))
    found = decompose(model, [family["p1"], family["p2"], family["p3"]][: len(weights)])
    assert (found.outcome, found.method, found.varies_by) == (Outcome.MERGED, "linear", None)
    assert holds(found, weights, 0.01)
    assert found.residual <= 2 * found.rounding


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("t", [0.2, 0.5, 0.65])
def test_slerp(family: dict[str, Path], tmp_path: Path, dtype: str, t: float) -> None:
    model = stored(tmp_path, merged("slerp", [tuned(1), tuned(2)], on=0, t=t, dtype=DTYPES[dtype]))
    found = decompose(model, [family["p1"], family["p2"]])
    assert (found.outcome, found.method, found.varies_by) == (Outcome.MERGED, "slerp", None)
    assert holds(found, (1 - t, t), 0.01)


def test_slerp_with_a_curve_over_layers_and_another_for_the_mlp(family: dict[str, Path], tmp_path: Path) -> None:
    curve = {"self_attn": (0.0, 0.3, 0.7, 1.0), "mlp": (1.0, 0.6, 0.2, 0.1)}
    model = {}
    for name in base():
        layer = int(name.split(".")[2]) if ".layers." in name else 0
        t = next((values[layer] for block, values in curve.items() if block in name), 0.5)
        part = [{name: parent[name]} for parent in (tuned(1), tuned(2))]
        model |= merged("slerp", part, on=0, t=t)
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"]])
    assert (found.method, found.varies_by) == ("slerp", "layer and block")
    assert found.recipe is not None
    settings = {each.get("filter"): each["value"] for each in found.recipe["parameters"]["t"]}
    assert settings[None] == pytest.approx(0.5, abs=0.01)
    for block, values in curve.items():
        assert settings[block] == pytest.approx(list(values), abs=0.01)


def test_weights_by_role(family: dict[str, Path], tmp_path: Path) -> None:
    model = {}
    for name in base():
        weight = 0.7 if "self_attn" in name else 0.2 if "mlp" in name else 0.5
        model |= merged(
            "linear", [{name: parent[name]} for parent in (tuned(1), tuned(2))], weight=(weight, 1 - weight)
        )
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"]])
    assert (found.method, found.varies_by) == ("linear", "block")
    by_role = {each.role: each for each in found.per_role}
    for role, weight in (("attn_q", 0.7), ("ffn_up", 0.2), ("token_embd", 0.5)):
        (low, high), _ = by_role[role].intervals
        assert by_role[role].weights[0] == pytest.approx(weight, abs=0.01)
        assert low <= weight <= high


def test_task_arithmetic(family: dict[str, Path], tmp_path: Path) -> None:
    model = merged("task_arithmetic", [tuned(1), tuned(2), tuned(3)], on=base(), weight=(0.7, 0.5, 0.4))
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"], family["p3"]], family["base"])
    assert (found.outcome, found.method) == (Outcome.MERGED, "task_arithmetic")
    assert holds(found, (0.7, 0.5, 0.4), 0.01)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("weights", "density"), [((0.8, 0.6), (0.5, 0.5)), ((0.4, 0.7), (0.3, 0.7))])
def test_ties(
    family: dict[str, Path], tmp_path: Path, weights: tuple[float, ...], density: tuple[float, ...], normalize: bool
) -> None:
    parents = [tuned(1), tuned(2)]
    model = merged("ties", parents, on=base(), weight=weights, density=density, normalize=normalize)
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"]], family["base"])
    assert (found.outcome, found.method) == (Outcome.MERGED, "ties")
    assert found.parameters["normalize"] is normalize
    assert list(found.parameters["density"].values()) == pytest.approx(density, abs=0.03)
    shown = tuple(np.array(weights) / sum(weights)) if normalize else weights
    assert holds(found, shown, 0.03)


@pytest.mark.parametrize("dtype", ["bf16", "f32"])
@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_dare(family: dict[str, Path], tmp_path: Path, method: str, dtype: str) -> None:
    parents = [tuned(1), tuned(2), tuned(3)]
    weights, density = (0.6, 0.5, 0.4), (0.6, 0.6, 0.6)
    model = merged(method, parents, on=base(), weight=weights, density=density, dtype=DTYPES[dtype])
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"], family["p3"]], family["base"])
    assert (found.outcome, found.method) == (Outcome.MERGED, method)
    assert list(found.parameters["density"].values()) == pytest.approx(density, abs=0.03)
    for parent, weight in zip(found.parents, weights, strict=True):
        assert parent.weight == pytest.approx(weight, abs=0.03)


@pytest.mark.parametrize(("method", "parameters"), [("model_stock", {}), ("nuslerp", {"weight": (0.6, 0.4)})])
def test_methods_whose_factors_follow_from_the_parents(
    family: dict[str, Path], tmp_path: Path, method: str, parameters: dict[str, tuple[float, ...]]
) -> None:
    model = merged(method, [tuned(1), tuned(2)], on=base(), **parameters)
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"]], family["base"])
    assert (found.outcome, found.method, found.varies_by) == (Outcome.MERGED, method, None)
    if parameters:
        assert holds(found, parameters["weight"], 0.01)


def test_intervals_hold_the_truth(family: dict[str, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    held = total = 0
    for turn in range(12):
        weight = float(rng.uniform(0.05, 0.95))
        dtype = (torch.bfloat16, torch.float16, torch.float32)[turn % 3]
        values = merged("linear", [tuned(1), tuned(2)], weight=(weight, 1 - weight), dtype=dtype)
        found = decompose(stored(tmp_path / str(turn), values), [family["p1"], family["p2"]])
        (low, high), _ = found.parents[0].interval or (1.0, 0.0), None
        assert high - low < 0.02
        curves = [each.intervals[0] for each in found.per_layer if each.intervals[0] is not None]
        total += 1 + len(curves)
        held += (low <= weight <= high) + sum(low <= weight <= high for low, high in curves)
    assert held >= 0.9 * total


def test_the_recipe_makes_the_model_again(family: dict[str, Path], tmp_path: Path) -> None:
    model = merged("ties", [tuned(1), tuned(2)], on=base(), weight=(0.8, 0.6), density=(0.5, 0.5), normalize=False)
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"]], family["base"])
    assert found.recipe is not None
    entries = [entry["parameters"] for entry in found.recipe["models"]]
    again = merged(
        found.recipe["merge_method"],
        [tuned(1), tuned(2)],
        on=base(),
        weight=tuple(entry["weight"] for entry in entries),
        density=tuple(entry["density"] for entry in entries),
        normalize=found.recipe["parameters"]["normalize"],
    )
    same = sum(int((again[name] == values).sum()) for name, values in model.items())
    assert same >= 0.95 * sum(values.numel() for values in model.values())
