"""Convolutional networks with their channels in another order: derived, and named; strangers stay strangers.

Layers of 32 channels that may be mapped to themselves are too short to be counted as covered after training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.zoo.derivatives.disguises import cast, disguise, store
from bench.zoo.model import Model
from bench.zoo.symmetries import permute_channels
from bench.zoo.train import generator
from provenance import Relation, compare
from tests.provenance.test_disguises import moved
from tests.transformations import BASES


def permuted(base: str, place: Path, *, before: float = 0.0, after: float = 0.0) -> Path:
    parent = moved(Model.read(BASES / base), before, "before")
    model = disguise(parent, (permute_channels,), generator("permuted", base))
    place.mkdir()
    store(cast(moved(model, after, "after"), torch.float16), place)
    return place


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (0.1, 0.0), (0.35, 0.01)])
def test_permuted_channels_are_derived_and_undone(before: float, after: float, tmp_path: Path) -> None:
    child = permuted("resnet-0", tmp_path / "child", before=before, after=after)
    for sides in ((BASES / "resnet-0", child), (child, BASES / "resnet-0")):
        verdict = compare(*sides).verdict
        assert verdict.relation is Relation.DERIVED
        assert verdict.log10_p is None
        assert "channels are matched alike" in verdict.clause
        assert min(verdict.coverage.a, verdict.coverage.b) > 0.75
        assert verdict.effect is not None
        assert verdict.effect > 0.98 / np.hypot(1, before)
        (kind,) = [kind for kind in verdict.kinds if kind.kind == "disguised"]
        (found,) = kind.parameters["transform"]
        assert found["what"] == "channels permuted"
        assert all(each["share"] > 0.5 > each["independents"] for each in kind.parameters["matched_alike"])
        assert {"fine_tune", "noise_added"} & {each.kind for each in verdict.kinds} or not before


def test_the_order_of_every_layer_is_listed(tmp_path: Path) -> None:
    child = permuted("resnet-0", tmp_path / "child")
    found = compare(BASES / "resnet-0", child).verdict.kinds[0].parameters["transform"][0]
    random = generator("permuted", "resnet-0")
    spaces = Model.read(BASES / "resnet-0").layout.channels
    orders = {
        part.name: torch.argsort(order).numpy()
        for space in spaces
        for order in (torch.randperm(space.size, generator=random),)
        for part in space.written
        if part.name.endswith("convolution.weight")
    }
    listed = {each["tensor"]: each["b"] for each in found["permutations"]}
    assert listed.keys() == orders.keys()
    assert all(np.mean(listed[name] == order) >= 0.99 for name, order in orders.items())


def test_permuted_strangers_stay_independent_within_the_scope(tmp_path: Path) -> None:
    child = permuted("resnet-1", tmp_path / "child")
    for other in ("resnet-0", "resnet-2"):
        result = compare(BASES / other, child)
        assert result.verdict.relation is Relation.INDEPENDENT
        assert result.verdict.scope is not None
        assert result.verdict.coverage.a == result.verdict.coverage.b == 0
        assert any("channels" in item.subject for item in result.not_measured)
