"""Policies, and rows that break them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fingerprints.errors import UsageError
from provenance.jobs.category import Category
from provenance.scan.claim import Claimed
from provenance.scan.policy import Policy, read_policy
from provenance.scan.row import Row, State

GOOD = Row(target="t", state=State.DONE, relation="derived", base="Acme/Base", claim=Claimed.CONFIRMED, licence="mit")


def policy(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "p.toml").write_text(text)
    return read_policy(tmp_path / "p.toml")


@pytest.mark.parametrize(
    ("text", "bad", "rule"),
    [
        ('[bases]\nallowed = ["acme/*"]', {"base": "other/base"}, "bases.allowed"),
        ('[bases]\nforbidden = ["*/secret*"]', {"base": "acme/Secret-1"}, "bases.forbidden"),
        ('[licences]\nforbidden = ["llama*"]', {"base_licence": "Llama3.1"}, "licences.forbidden"),
        ('[licences]\nforbidden = ["llama*"]', {"licence": "llama2"}, "licences.forbidden"),
        ("[licences]\nmust_agree = true", {"base_licence": "gemma", "licence_agrees": False}, "licences.must_agree"),
        ("[licences]\nmust_agree = true", {"base_licence": "gemma", "licence": None}, "licences.must_agree"),
        ('[relations]\nfail = ["inconclusive"]', {"relation": "inconclusive", "base": None}, "relations.fail"),
        ('[claims]\nrequired = ["confirmed"]', {"claim": Claimed.UNDECLARED}, "claims.required"),
        ("", {"state": State.ERROR, "error": Category.CORRUPT}, "errors.allowed"),
        ("", {"state": State.PENDING}, "errors.allowed"),
        ('[errors]\nallowed = ["gated"]', {"state": State.ERROR, "error": Category.MISSING}, "errors.allowed"),
    ],
)
def test_each_rule_is_broken_by_what_it_is_about(tmp_path: Path, text: str, bad: dict[str, object], rule: str) -> None:
    rules = policy(tmp_path, text)
    assert rules.violations([GOOD]) == []
    assert [each.rule for each in rules.violations([GOOD, replace(GOOD, **bad)])] == [rule]


def test_errors_may_be_allowed(tmp_path: Path) -> None:
    gated = Row(target="t", state=State.ERROR, error=Category.GATED)
    assert policy(tmp_path, '[errors]\nallowed = ["gated"]').violations([gated]) == []


def test_no_base_is_not_a_forbidden_one(tmp_path: Path) -> None:
    alone = replace(GOOD, relation="independent", base=None)
    assert policy(tmp_path, '[bases]\nallowed = []\nforbidden = ["*"]').violations([alone]) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[bases", "cannot read"),
        ("[base]\nallowed = []", "'base'"),
        ("[bases]\nalowed = []", "'alowed'"),
        ("bases = 3", "no table"),
        ("[bases]\nallowed = 'acme'", "no list"),
        ("[relations]\nfail = ['derivd']", "'derivd'"),
        ("[licences]\nmust_agree = 'yes'", "neither true nor false"),
        ("a=" + "[" * 100_000, "cannot read"),
    ],
)
def test_a_policy_with_a_mistake_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        policy(tmp_path, text)


def test_a_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_policy(tmp_path / "none.toml")
