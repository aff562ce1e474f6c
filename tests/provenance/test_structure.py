"""Models whose structure was changed, alone and after a change of every matrix by a tenth: kind and map come back.

The same is done to strangers, which stay strangers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from provenance import Relation, Result, compare
from provenance.result import Direction
from tests import transformations as to
from tests.checkpoints import write_values
from tests.transformations import BASES, Tensors, base, noisy

RNG = np.random.default_rng(0)
NEURONS = np.sort(RNG.permutation(224)[:56])
ANY_ORDER = RNG.permutation(224)[:100]
DIMENSIONS = np.sort(RNG.permutation(96)[:64])
RELATED = {Relation.DERIVED, Relation.COMMON_ORIGIN, Relation.IDENTICAL}
LAYERS = {
    "every second layer": ("pruned_depth", [0, 2, 4]),
    "a layer dropped": ("pruned_depth", [0, 1, 2, 4]),
    "overlap": ("depth_upscaled", [0, 1, 2, 3, 1, 2, 3, 4]),
    "each layer twice": ("depth_upscaled", [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
    "reversed": ("layers_reordered", [4, 3, 2, 1, 0]),
    "shuffled": ("layers_reordered", [2, 0, 4, 1, 3]),
    "a layer twice, another gone": ("layers_reordered", [0, 1, 1, 3, 4]),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A change, the kind that it is, and what the kind must say: parameters, or the units of the wider side."""

    change: Callable[[Tensors], Tensors]
    kind: str
    says: dict[str, Any] = field(default_factory=dict)
    kept: list[int] | None = None
    parent: str = "llama"
    directed: bool = True


CASES = {
    **{
        name: Case(
            change=partial(to.relayered, order=order),
            kind=kind,
            says={"layer_map": order},
            directed=name not in ("reversed", "shuffled"),
        )
        for name, (kind, order) in LAYERS.items()
    },
    "identity blocks": Case(
        change=partial(to.with_identity_blocks, order=[0, None, 1, 2, None, 3, 4]),
        kind="depth_upscaled",
        says={"layer_map": [0, 0, 1, 2, 2, 3, 4]},
    ),
    "a quarter of the neurons": Case(
        change=partial(to.with_neurons, kept=NEURONS), kind="pruned_width", kept=NEURONS.tolist()
    ),
    "neurons in any order": Case(
        change=partial(to.with_neurons, kept=ANY_ORDER), kind="pruned_width", kept=ANY_ORDER.tolist()
    ),
    "two thirds of the dimensions": Case(
        change=partial(to.with_dimensions, kept=DIMENSIONS), kind="pruned_width", kept=DIMENSIONS.tolist()
    ),
    "a group of heads": Case(change=partial(to.with_groups, kept=[1]), kind="pruned_width"),
    "padded neurons": Case(change=partial(to.padded, neurons=64), kind="width_upscaled", kept=list(range(224))),
    "padded dimensions": Case(change=partial(to.padded, dimensions=32), kind="width_upscaled", kept=list(range(96))),
    "grown neurons": Case(change=partial(to.grown, further=64), kind="width_upscaled"),
    "experts from one MLP": Case(change=to.upcycled, kind="moe_upcycled", says={"matched": dict.fromkeys("01234", 4)}),
    "finer experts": Case(
        change=partial(to.split, experts=4), kind="moe_upcycled", says={"matched": dict.fromkeys("01234", 4)}
    ),
    "experts dropped": Case(
        change=partial(to.with_experts, kept=[3, 0, 2]), kind="pruned_width", kept=[3, 0, 2], parent="mixtral"
    ),
    "experts permuted": Case(
        change=partial(to.with_experts, kept=[2, 0, 3, 1]), kind="disguised", parent="mixtral", directed=False
    ),
    "experts merged": Case(change=to.merged, kind="experts_merged", parent="mixtral"),
}


def changed(case: Case, seed: int, noise: float, folder: Path) -> Path:
    return write_values(folder, noisy(case.change(base(f"{case.parent}-{seed}")), noise))


def parameters(result: Result, kind: str) -> dict[str, Any]:
    found = [each.parameters for each in result.verdict.kinds if each.kind == kind]
    assert found, [each.kind for each in result.verdict.kinds]
    return dict(found[0])


@pytest.mark.parametrize("name", CASES)
def test_a_changed_structure_is_derived_and_mapped_either_way_round(name: str, tmp_path: Path) -> None:
    """One way round as it is, the other after a change by a tenth."""
    case = CASES[name]
    parent = BASES / f"{case.parent}-0"
    there = compare(parent, changed(case, 0, 0.0, tmp_path / "child"))
    back = compare(changed(case, 0, 0.1, tmp_path / "tuned child"), parent)
    for result, side, way in ((there, "b", Direction.A_TO_B), (back, "a", Direction.B_TO_A)):
        assert result.verdict.relation is Relation.DERIVED
        said = parameters(result, case.kind)
        assert said.items() >= case.says.items() or not case.directed
        if case.directed:
            assert said["child"] == side
            assert result.verdict.direction is way
        if case.kept is not None:
            for axis in said["axes"]:
                kept = dict(enumerate(axis["kept"]))
                assert sum(kept.get(place) == unit for place, unit in enumerate(case.kept)) >= 0.95 * len(case.kept)
    assert there.verdict.coverage.a == pytest.approx(back.verdict.coverage.b, abs=0.02)
    assert there.verdict.coverage.b == pytest.approx(back.verdict.coverage.a, abs=0.02)
    for result in (there, back):
        others = {each.kind for each in result.verdict.kinds} - {case.kind}
        assert others <= {"noise_added", "fine_tune", "continued_pretraining", "dtype_cast"}
    if case.says.get("layer_map") and case.kind == "layers_reordered" and not case.directed:
        assert parameters(there, case.kind)["layer_map"] == case.says["layer_map"]
        order = parameters(back, case.kind)["layer_map"]
        assert [order[layer] for layer in case.says["layer_map"]] == list(range(len(order)))


@pytest.mark.parametrize("name", CASES)
def test_strangers_of_that_structure_stay_strangers(name: str, tmp_path: Path) -> None:
    case, seed = CASES[name], 1 + list(CASES).index(name) % 2
    sides = BASES / f"{case.parent}-0", changed(case, seed, 0.0, tmp_path / "stranger")
    result = compare(*(sides if seed == 1 else sides[::-1]))
    assert result.verdict.relation not in RELATED, result.verdict.clause
    assert result.verdict.coverage.a == result.verdict.coverage.b == 0


def test_experts_hold_the_neurons_that_they_were_dealt(tmp_path: Path) -> None:
    """Of each expert those that were not drawn anew."""
    child = changed(CASES["finer experts"], 0, 0.0, tmp_path / "child")
    said = parameters(compare(BASES / "llama-0", child), "moe_upcycled")
    assert len(said["axes"]) == 20
    for place in range(5):
        rng = np.random.default_rng(place)
        dealt = np.concatenate([rng.permutation(224), rng.permutation(224)]).reshape(4, 112)
        for expert, neurons in enumerate(dealt):
            kept = np.setdiff1d(np.arange(112), rng.permutation(112)[:56])
            for _ in range(3):
                rng.standard_normal((112, 96))
            (axis,) = (each for each in said["axes"] if each["layers"] == [place] * 2 and each["experts"][1] == expert)
            found = set(axis["kept"])
            assert len(found & set(neurons[kept].tolist())) >= 0.95 * len(kept)
            assert len(found - set(neurons[kept].tolist())) <= 0.1 * len(kept)


def test_repeated_layers_of_an_encoder(tmp_path: Path) -> None:
    """The parent's layer stands for two of the child's, biases and all."""
    order = [0, 1, 2, 1, 2, 3]
    names = ("bert.encoder.layer.", "model.layers.")
    tensors = {name.replace(*names): value for name, value in base("bert-0").items()}
    child = {name.replace(*names[::-1]): value for name, value in to.relayered(tensors, order).items()}
    result = compare(BASES / "bert-0", write_values(tmp_path, noisy(child, 0.1)))
    assert result.verdict.relation is Relation.DERIVED
    assert parameters(result, "depth_upscaled")["layer_map"] == order
