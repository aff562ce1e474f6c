from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli import arguments
from fingerprints.errors import UsageError
from provenance.options import Sided
from provenance.result import Relation


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Sided()),
        (["ema"], Sided(a="ema", b="ema")),
        (["a=ema"], Sided(a="ema")),
        (["b=vision.", "a=tower."], Sided(a="tower.", b="vision.")),
        (["c=ema"], Sided(a="c=ema", b="c=ema")),
        (["a=b=c"], Sided(a="b=c")),
    ],
)
def test_a_name_is_for_both_sides_or_for_one(words: list[str], expected: Sided) -> None:
    assert arguments.sided("--variant", words) == expected


@pytest.mark.parametrize("words", [["x", "y"], ["x", "a=y"], ["a=x", "a=x"], [""], ["a="]])
def test_a_side_named_twice_or_by_nothing_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="--subtree"):
        arguments.sided("--subtree", words)


def test_renames_map_prefixes() -> None:
    assert arguments.renames(["model.=transformer.", "x=", "=y", "model.=transformer."]) == {
        "model.": "transformer.",
        "x": "",
        "": "y",
    }


@pytest.mark.parametrize("words", [["model"], ["="], ["a=b", "a=c"]])
def test_renames_that_say_nothing_or_two_things_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="--map"):
        arguments.renames(words)


def test_relations_are_comma_separated_or_repeated() -> None:
    assert arguments.relations(["derived, identical", "independent"]) == {
        Relation.DERIVED,
        Relation.IDENTICAL,
        Relation.INDEPENDENT,
    }
    assert arguments.relations([]) == set()


@pytest.mark.parametrize("words", [["copied"], ["derived,"], [""], ["DERIVED"]])
def test_an_unknown_relation_is_answered_with_the_known_ones(words: list[str]) -> None:
    with pytest.raises(UsageError, match="not a relation") as error:
        arguments.relations(words)
    assert all(relation.value in error.value.hint for relation in Relation)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: arguments.at_least("--rows", 7, 8),
        lambda: arguments.probability("--alpha", 0.0),
        lambda: arguments.probability("--alpha", 1.0),
        lambda: arguments.probability("--alpha", float("nan")),
        lambda: arguments.seconds("--time-limit", 0.0),
        lambda: arguments.seconds("--time-limit", -1.0),
        lambda: arguments.seconds("--time-limit", float("inf")),
        lambda: arguments.seconds("--time-limit", float("nan")),
        lambda: arguments.not_both(("-q", True), ("-v", True)),
    ],
)
def test_values_out_of_range_are_refused_with_a_hint(refused: Callable[[], object]) -> None:
    with pytest.raises(UsageError) as error:
        refused()
    assert error.value.hint


def test_values_at_the_edge_are_taken() -> None:
    assert arguments.at_least("--rows", 8, 8) == 8
    assert arguments.probability("--alpha", 1e-300) == 1e-300
    assert arguments.seconds("--time-limit", 0.001) == 0.001
    assert arguments.seconds("--time-limit", None) is None


@pytest.mark.parametrize("name", ["out.html", "out", "out.json.gz", ".json", "out.JSON"])
def test_a_report_needs_a_known_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="suffix") as error:
        arguments.destination(tmp_path / name)
    assert ".json" in error.value.hint


def test_a_missing_folder_is_found_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as error:
        arguments.destination(tmp_path / "missing" / "out.json")
    assert "mkdir" in error.value.hint
