"""Which searches are made, and what reports say about the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fingerprints.alignment.cost import Cost
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import pair_parts
from provenance import Options, Relation, compare
from provenance.searches import Budget, Outcome, Way, budget_of, plan_searches
from provenance.thresholds import thresholds
from tests.checkpoints import LLAMA_2_7B, llama_shapes
from tests.in_memory import empty

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_rule_is_the_larger_of_a_size_and_a_share_and_nothing_when_all_is_wanted() -> None:
    limits = thresholds()
    small, large = budget_of(10**9, unlimited=False), budget_of(10**11, unlimited=False)
    assert small.limit == Cost(bytes=limits.search_bytes, seconds=limits.search_seconds)
    assert large.limit == Cost(bytes=3 * 10**9, seconds=limits.search_seconds)
    assert not small.allows(Cost(bytes=limits.search_bytes + 1, seconds=0.0))
    assert not large.allows(Cost(bytes=0, seconds=limits.search_seconds + 0.1))
    assert budget_of(10**11, unlimited=True).allows(Cost(bytes=10**15, seconds=10.0**6))


def test_of_two_7b_models_maps_are_searched_and_bases_when_asked_for() -> None:
    checkpoint = empty(llama_shapes(**LLAMA_2_7B))
    anatomy = build_anatomy(checkpoint)
    pairing = pair_parts(anatomy, anatomy)
    stored = 2 * sum(info.size * 2 for info in checkpoint.tensors.values())
    for unlimited in (False, True):
        budget = budget_of(stored, unlimited=unlimited)
        found = {s.way: s for s in plan_searches((anatomy, anatomy), pairing, budget, 8)}
        assert found[Way.MAPS].outcome is Outcome.NOT_NEEDED
        assert (found[Way.BASES].outcome is Outcome.TOO_DEAR) is not unlimited


def test_units_are_matched_in_fewer_layers_before_a_search_is_given_up() -> None:
    anatomy = build_anatomy(empty(llama_shapes(**LLAMA_2_7B)))
    pairing = pair_parts(anatomy, anatomy)
    every = plan_searches((anatomy, anatomy), pairing, Budget(limit=None), 8)[0]
    few = plan_searches((anatomy, anatomy), pairing, Budget(limit=None), 2)[0]
    between = Cost(bytes=(every.cost.bytes + few.cost.bytes) // 2, seconds=every.cost.seconds)
    chosen = plan_searches((anatomy, anatomy), pairing, Budget(limit=between), 8)[0]
    assert every.layers == 8
    assert chosen.layers is not None
    assert 2 <= chosen.layers < 8
    assert chosen.outcome is Outcome.NOT_NEEDED


@pytest.fixture
def dear(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples count as large, and every search as beyond the rule."""
    limits = replace(thresholds(), small_checkpoint_bytes=0, search_bytes=0, search_share=0.0)
    for module in ("provenance.comparison", "provenance.searches"):
        monkeypatch.setattr(f"{module}.thresholds", lambda: limits)


@pytest.mark.usefixtures("dear")
def test_beyond_the_rule_the_scope_says_so_and_the_report_what_it_would_cost() -> None:
    result = compare(EXAMPLES / "base", EXAMPLES / "stranger", Options(threads=1))
    assert result.verdict.relation is Relation.INDEPENDENT
    assert result.verdict.scope == "undisguised derivation only"
    assert "Scope: undisguised derivation only" in result.verdict.summary
    assert result.run.options["searched"] == []
    skipped = [entry for entry in result.not_measured if entry.signal == "search"]
    assert len(skipped) == 2
    for entry in skipped:
        assert "MB" in entry.reason
        assert " s;" in entry.reason
        assert "--thorough" in entry.reason


@pytest.mark.usefixtures("dear")
def test_thorough_searches_beyond_the_rule_and_lifts_the_scope() -> None:
    result = compare(EXAMPLES / "base", EXAMPLES / "stranger", Options(threads=1, thorough=True))
    assert result.verdict.relation is Relation.INDEPENDENT
    assert result.verdict.scope is None
    assert "Scope" not in result.verdict.summary
    assert "None" not in result.verdict.summary
    assert result.run.options["searched"] == ["maps", "bases"]
    assert not [entry for entry in result.not_measured if entry.signal == "search"]


def test_what_names_explain_is_not_searched_and_nothing_is_missing() -> None:
    result = compare(EXAMPLES / "base", EXAMPLES / "tuned", Options(threads=1))
    assert result.verdict.relation is Relation.DERIVED
    assert result.run.options["searched"] == []
    assert not [entry for entry in result.not_measured if entry.signal == "search"]
