"""What looking at a large model costs, counted by the server."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cli.arguments import nbytes
from fingerprints.errors import OverBudget, Unavailable, UsageError
from provenance.comparison import compare
from provenance.hub.traffic import Traffic
from provenance.jobs.category import Category, category_of
from provenance.options import Options
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.server import LocalHub
from tests.provenance.hub.shaped import seven_billion, values

SEEDS = {"big/base": 1, "big/copy": 1, "big/other": 2}


@pytest.fixture
def big(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """Three repositories of one shape, two of them with the same values; no digest is listed twice."""
    count = itertools.count()
    monkeypatch.setattr(LocalHub, "digest", lambda hub, path: f"{next(count):064x}")
    folder = seven_billion(tmp_path / "shaped")
    return serve(dict.fromkeys(SEEDS, folder), faults=[values(SEEDS)])


def cost(hub: LocalHub, repository: str) -> tuple[int, int]:
    """Requests for a repository, its listing included, and bytes of its files."""
    asked = [each for each in hub.asked if f"{repository}/" in f"{each.path}/"]
    return len(asked), sum(stop - start for each in asked for start, stop in [each.span or (0, 0)])


@pytest.mark.parametrize(("other", "relation"), [("big/copy", "identical"), ("big/other", "independent")])
def test_a_small_budget_for_seven_billion_parameters(big: LocalHub, other: str, relation: str) -> None:
    result = compare("big/base", other, Options(budget=60_000_000))
    assert result.verdict.relation == relation
    assert result.verdict.basis == ("sampled" if relation == "identical" else "weights")
    for repository in ("big/base", other):
        requests, fetched = cost(big, repository)
        assert requests <= 60
        assert fetched <= 30_000_000
    assert result.run.requests == len(big.asked)
    assert result.run.options["rows"] == 64
    assert not big.overlapping()
    left_out = {entry.subject for entry in result.not_measured if "budget" in entry.reason}
    assert ("a second sample at other positions" in left_out) == (relation == "independent")


def test_what_is_counted() -> None:
    traffic = Traffic(1000)
    traffic.promise(700, "x")
    assert not traffic.nearly_spent
    traffic.promise(200, "x")
    assert traffic.nearly_spent
    assert traffic.left == 100


def test_what_others_have_left_breaks_a_run_off_and_changes_nothing_before() -> None:
    traffic = Traffic(1000, most_bytes=500)
    traffic.promise(400, "x")
    assert (traffic.left, traffic.nearly_spent) == (600, False)
    with pytest.raises(Unavailable, match="400 of 500") as refused:
        traffic.promise(200, "x")
    assert category_of(refused.value) is Category.OVER_BUDGET
    assert not isinstance(refused.value, OverBudget)


@pytest.mark.parametrize(
    ("word", "count"), [("200MB", 200_000_000), ("1.5 gb", 1_500_000_000), ("64k", 64_000), ("7", 7), ("7B", 7)]
)
def test_sizes(word: str, count: int) -> None:
    assert nbytes("--budget", word) == count


@pytest.mark.parametrize("word", ["", "0", "MB", "-1", "1e9", "200 megabytes", "nan", "0.0001"])
def test_what_is_no_size(word: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        nbytes("--budget", word)
