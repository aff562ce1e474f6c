"""Where a third relative stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from provenance.comparison import compare
from provenance.options import Options, Silent
from provenance.result import Third
from provenance.three import compare_with_third
from tests.checkpoints import llama_shapes, write_values
from tests.in_memory import gaussian

OPTIONS = Options(threads=1)
SHAPES = llama_shapes(layers=2, hidden=64, mlp=160, heads=4, kv_heads=4, vocabulary=200)


def changed(values: dict[str, np.ndarray], seed: int, size: float = 0.05) -> dict[str, np.ndarray]:
    """Another model: every matrix moved at random by a share of its size."""
    rng = np.random.default_rng(seed)
    return {
        name: (value + size * value.std() * rng.standard_normal(value.shape)).astype(np.float32)
        if value.ndim > 1
        else value
        for name, value in values.items()
    }


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base, three children, a grandchild, a merge, and a stranger."""
    place = tmp_path_factory.mktemp("family")
    base = gaussian(SHAPES, 0)
    models = {"base": base, "one": changed(base, 1), "two": changed(base, 2, 0.08), "three": changed(base, 3)}
    models["grandchild"] = changed(models["one"], 4)
    models["merge"] = {name: (models["one"][name] + models["two"][name]) / 2 for name in base}
    models["stranger"] = gaussian(SHAPES, 9)
    for name, values in models.items():
        write_values(place / name, values)
    return {name: place / name for name in models}


def third(family: dict[str, Path], a: str, b: str, c: str) -> Third:
    paths = (family[a], family[b], family[c])
    found = compare_with_third(compare(*paths[:2], OPTIONS), paths, OPTIONS, Silent()).third
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("names", "middle", "tree"),
    [
        (("base", "one", "two"), "a", "B <- A -> C"),
        (("one", "base", "two"), "b", "A <- B -> C"),
        (("one", "two", "base"), "c", "A <- C -> B"),
        (("base", "one", "grandchild"), "b", "A -> B -> C"),
        (("grandchild", "base", "one"), "c", "B -> C -> A"),
    ],
)
def test_the_middle_is_found_in_any_order(
    family: dict[str, Path], names: tuple[str, str, str], middle: str, tree: str
) -> None:
    found = third(family, *names)
    assert found.middle == middle
    assert found.tree.startswith(tree), "noise tells which side is the child"


def test_children_of_a_base_that_is_not_there_are_siblings(family: dict[str, Path]) -> None:
    found = third(family, "one", "two", "three")
    assert found.middle is None
    assert "siblings" in found.tree


def test_a_merge_lies_on_the_line_between_its_parents(family: dict[str, Path]) -> None:
    found = third(family, "one", "merge", "two")
    assert found.middle is None
    assert "B lies on the line between A and C" in found.tree


def test_a_stranger_is_no_part_of_the_tree(family: dict[str, Path]) -> None:
    found = third(family, "base", "one", "stranger")
    assert (found.relation_a, found.relation_b) == ("independent", "independent")
    assert found.middle is None


def test_what_is_set_for_one_side_is_not_asked_of_the_third(family: dict[str, Path]) -> None:
    options = replace(OPTIONS, renames={"model": "model"})
    paths = (family["base"], family["one"], family["two"])
    found = compare_with_third(compare(*paths[:2], options), paths, options, Silent())
    assert found.third is not None
    assert found.third.middle == "a"
