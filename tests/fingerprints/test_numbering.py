"""Layers that are numbered otherwise: ranks where stacks are equally deep, numbers elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import PairBasis, pair_parts
from tests import architectures
from tests.checkpoints import Shapes, llama_shapes
from tests.in_memory import empty

LLAMA = llama_shapes(layers=6, hidden=32, mlp=80, heads=4, kv_heads=2, vocabulary=100)


def renumbered(shapes: Shapes, number: Callable[[int], int]) -> dict[str, str]:
    """Old name to new name, the number of the layer replaced."""
    return {name: re.sub(r"(?<=\.)\d+(?=\.)", lambda n: str(number(int(n[0]))), name, count=1) for name in shapes}


def pairs(a: Shapes, b: Shapes) -> dict[str, str]:
    found = pair_parts(build_anatomy(empty(a)), build_anatomy(empty(b)))
    return {pair.a.name: pair.b.name for pair in found.pairs}


@pytest.mark.parametrize("number", [lambda i: i + 1, lambda i: i + 100, lambda i: 2 * i, lambda i: 3 * i + 1])
@pytest.mark.parametrize("shapes", [LLAMA, architectures.gpt2(layers=3), architectures.bert(layers=7)])
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_layers_with_other_numbers_are_counterparts(shapes: Shapes, number: Callable[[int], int], wrapper: str) -> None:
    becomes = {old: wrapper + new for old, new in renumbered(shapes, number).items()}
    other = {becomes[name]: shape for name, shape in shapes.items()}
    assert pairs(shapes, other) == becomes
    assert pairs(other, shapes) == {new: old for old, new in becomes.items()}


def test_what_numbers_told_is_said() -> None:
    other = {new: LLAMA[old] for old, new in renumbered(LLAMA, lambda i: i + 1).items()}
    found = pair_parts(build_anatomy(empty(LLAMA)), build_anatomy(empty(other)))
    assert {pair.basis for pair in found.pairs if pair.renamed} == {PairBasis.NUMBER}
    assert not found.searched


def test_a_stack_that_lost_layers_keeps_its_numbers() -> None:
    pruned = {name: shape for name, shape in LLAMA.items() if ".2." not in name and ".3." not in name}
    assert pairs(LLAMA, pruned) == {name: name for name in pruned}


def test_a_stack_that_lost_layers_keeps_its_numbers_though_another_is_as_deep() -> None:
    two = {f"{tower}.{name}": shape for tower in ("text", "vision") for name, shape in LLAMA.items()}
    deep = two | {name.replace("vision.model.layers.", "vision.model.layers.1"): two[name] for name in two}
    pruned = {
        name: shape for name, shape in deep.items() if not re.match(r"vision.model.layers.([3-9]|1[0-2])\.", name)
    }
    assert pairs(deep, pruned) == {name: name for name in pruned}
    assert pairs(pruned, deep) == {name: name for name in pruned}


def test_renumbered_layers_under_other_names_keep_their_order() -> None:
    becomes = {
        old: new.replace("model.layers", "trunk").replace("mlp.down_proj", "omega")
        for old, new in renumbered(LLAMA, lambda i: i + 10).items()
    }
    found = pairs(LLAMA, {becomes[name]: shape for name, shape in LLAMA.items()})
    downs = {name: becomes[name] for name in LLAMA if "down_proj" in name}
    assert {name: found[name] for name in downs} == downs
