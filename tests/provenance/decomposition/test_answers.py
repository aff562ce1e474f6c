"""What is no merge, what changed nothing, and which parents are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fingerprints.errors import UsageError
from provenance.decomposition.decompose import decompose
from provenance.decomposition.options import DecomposeOptions
from provenance.decomposition.result import Decomposition, Outcome
from provenance.result import to_json
from tests.checkpoints import FIRST_YI_NAMES, renamed
from tests.merges import base, merged, stored, stranger, torch, tuned


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("family")
    return {
        "base": stored(folder / "base", base()),
        "p1": stored(folder / "p1", tuned(1)),
        "p2": stored(folder / "p2", tuned(2)),
        "stranger": stored(folder / "stranger", stranger()),
        "linear": stored(folder / "linear", merged("linear", [tuned(1), tuned(2)], weight=(0.6, 0.4))),
    }


def weights(found: Decomposition) -> list[float | None]:
    return [parent.weight for parent in found.parents]


@pytest.mark.parametrize("model", ["stranger", "fine-tune of a parent", "sibling", "base"])
@pytest.mark.parametrize("based", [False, True])
def test_what_is_no_merge_is_not_called_one(family: dict[str, Path], tmp_path: Path, model: str, based: bool) -> None:
    if model == "fine-tune of a parent":
        values = {name: each + tuned(9)[name] - base()[name] for name, each in tuned(1).items()}
    else:
        values = {"stranger": stranger, "sibling": lambda: tuned(8), "base": base}[model]()
    found = decompose(stored(tmp_path, values), [family["p1"], family["p2"]], family["base"] if based else None)
    if model == "base" and based:
        assert (found.outcome, found.equal_to) == (Outcome.EQUAL, (str(family["base"]),))
        assert "nothing was merged" in found.summary
    else:
        assert found.outcome is Outcome.UNEXPLAINED
        assert "no combination of these parents explains the model: residual" in found.summary
        assert (found.method, found.recipe) == (None, None)


def test_eight_siblings_do_not_explain_a_ninth(tmp_path: Path) -> None:
    parents = [stored(tmp_path / str(seed), tuned(seed)) for seed in range(1, 9)]
    for place, model in enumerate((tuned(20), tuned(20, 0.02), base())):
        found = decompose(stored(tmp_path / f"m{place}", model), parents)
        assert found.outcome is Outcome.UNEXPLAINED


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_copy_of_a_parent_was_not_merged(family: dict[str, Path], tmp_path: Path, dtype: object) -> None:
    model = stored(tmp_path, merged("linear", [tuned(2), tuned(1)], weight=(1.0, 0.0), dtype=dtype))
    found = decompose(model, [family["p1"], family["p2"]])
    assert (found.outcome, found.equal_to) == (Outcome.EQUAL, (str(family["p2"]),))
    assert weights(found) == [0.0, 1.0]
    assert found.summary.startswith("every value equals p2")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_stranger_among_the_parents_has_no_weight(family: dict[str, Path], place: int) -> None:
    parents = [family["p1"], family["p2"]]
    parents.insert(place, family["stranger"])
    found = decompose(family["linear"], parents)
    assert found.method == "linear"
    other = found.parents[place]
    assert other.weight == pytest.approx(0.0, abs=0.001)
    assert other.contributes is False
    assert [each.contributes for each in found.parents].count(True) == 2
    assert found.recipe is not None
    assert len(found.recipe["models"]) == 2


def test_a_parent_of_another_shape_is_set_aside(family: dict[str, Path], tmp_path: Path) -> None:
    other = stored(tmp_path, {name: values[..., :32] for name, values in stranger().items()})
    found = decompose(family["linear"], [family["p1"], other, family["p2"]])
    assert [parent.contributes for parent in found.parents] == [True, False, True]
    assert found.parents[1].weight is None


def test_equal_parents_share_their_weight_and_are_warned_about(family: dict[str, Path], tmp_path: Path) -> None:
    twin = stored(tmp_path, tuned(1))
    found = decompose(family["linear"], [family["p1"], twin, family["p2"]])
    assert found.method == "linear"
    assert any("collinear" in warning for warning in found.warnings)
    assert weights(found) == pytest.approx([0.3, 0.3, 0.4], abs=0.01)
    for parent in found.parents[:2]:
        assert parent.interval is not None
        assert parent.interval[0] <= 0.01
        assert parent.interval[1] >= 0.59


def test_a_parent_that_is_the_mean_of_the_others_is_warned_about(family: dict[str, Path], tmp_path: Path) -> None:
    mean = stored(tmp_path, {name: (values + tuned(2)[name]) / 2 for name, values in tuned(1).items()})
    found = decompose(family["linear"], [family["p1"], family["p2"], mean])
    assert any("collinear" in warning for warning in found.warnings)
    for parent, weight in zip(found.parents, (0.6, 0.4, 0.0), strict=True):
        assert parent.interval is not None
        assert parent.interval[0] <= weight <= parent.interval[1]
        assert parent.interval[1] - parent.interval[0] > 0.3


def test_names_and_types_of_parents_may_differ(family: dict[str, Path], tmp_path: Path) -> None:
    other = stored(
        tmp_path / "f32",
        {
            name: torch.from_numpy(np.ascontiguousarray(values))
            for name, values in renamed(tuned(2), FIRST_YI_NAMES).items()
        },
    )
    found = decompose(family["linear"], [family["p1"], other])
    assert (found.method, found.coverage) == ("linear", 1.0)
    assert weights(found) == pytest.approx([0.6, 0.4], abs=0.01)


def test_rounding_of_the_parents_is_no_change_of_the_model(family: dict[str, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    wide = [
        {
            name: values * (1 + rng.uniform(-1, 1, values.shape).astype(np.float32) / 512)
            for name, values in each.items()
        }
        for each in (tuned(1, 0.003), tuned(2, 0.003))
    ]
    model = stored(tmp_path / "m", merged("linear", wide, weight=(0.6, 0.4), dtype=torch.float32, exact=True))
    parents = [stored(tmp_path / str(place), each) for place, each in enumerate(wide)]
    found = decompose(model, parents)
    assert (found.outcome, found.method) == (Outcome.MERGED, "linear")
    assert weights(found) == pytest.approx([0.6, 0.4], abs=0.05)
    assert any("parents were rounded" in line for line in found.evidence)


def test_vocabularies_of_other_sizes_are_compared_as_far_as_all_reach(family: dict[str, Path], tmp_path: Path) -> None:
    longer = {
        name: np.vstack([values, values[:8]]) if values.shape[0] == 192 else values for name, values in tuned(2).items()
    }
    found = decompose(family["linear"], [family["p1"], stored(tmp_path, longer)])
    assert weights(found) == pytest.approx([0.6, 0.4], abs=0.01)
    assert any("192 leading rows" in note for note in found.not_compared)


def layer(values: dict[str, np.ndarray], origin: int, place: int) -> dict[str, np.ndarray]:
    start = f"model.layers.{origin}."
    return {name.replace(start, f"model.layers.{place}."): each for name, each in values.items() if start in name}


@pytest.mark.parametrize("origins", [[(0, 0), (1, 1), (0, 2), (1, 3)], [(0, 0), (0, 1), (1, 1), (1, 2), (0, 3)]])
def test_slices_on_top_of_each_other(family: dict[str, Path], tmp_path: Path, origins: list[tuple[int, int]]) -> None:
    parents = [tuned(1), tuned(2)]
    model = {name: values for name, values in parents[0].items() if ".layers." not in name}
    for place, (parent, origin) in enumerate(origins):
        model |= layer(parents[parent], origin, place)
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"]])
    assert (found.outcome, found.method, found.residual) == (Outcome.MERGED, "passthrough", 0.0)
    names = [str(family["p1"]), str(family["p2"])]
    assert [each.source for each in found.per_layer] == [(names[parent], origin) for parent, origin in origins]


def test_a_stack_with_one_changed_layer_is_none(family: dict[str, Path], tmp_path: Path) -> None:
    model = tuned(1) | layer(tuned(2), 1, 1) | layer(stranger(), 2, 2)
    found = decompose(stored(tmp_path, model), [family["p1"], family["p2"]])
    assert found.outcome is Outcome.UNEXPLAINED


def test_two_runs_give_one_result(family: dict[str, Path]) -> None:
    runs = [to_json(decompose(family["linear"], [family["p1"], family["p2"]], family["base"])) for _ in range(2)]
    assert [run.pop("run") is not None for run in runs] == [True, True]
    assert runs[0] == runs[1]


def test_samples_tell_what_all_values_tell(family: dict[str, Path]) -> None:
    parents = [family["p1"], family["p2"]]
    sampled = decompose(family["linear"], parents, options=DecomposeOptions(rows=16, layers=2, sample_seed=4))
    whole = decompose(family["linear"], parents, options=DecomposeOptions(full=True))
    assert weights(sampled) == pytest.approx(weights(whole), abs=0.005)
    assert len(sampled.per_layer) == 3
    assert len(whole.per_layer) == 5
    assert sampled.run.options["rows"] == 16


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_merge_has_two_to_eight_parents(family: dict[str, Path], count: int) -> None:
    with pytest.raises(UsageError, match="2 to 8"):
        decompose(family["linear"], [family["p1"]] * count)


def test_no_fitting_parent_is_a_mistake(family: dict[str, Path], tmp_path: Path) -> None:
    other = stored(tmp_path, {"weight": np.random.default_rng(0).standard_normal((40, 40)).astype(np.float32)})
    with pytest.raises(UsageError, match="no parent has counterparts"):
        decompose(family["linear"], [other, other])
