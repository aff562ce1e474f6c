"""Alphas of single modules: the first pattern that means a module counts, however many there are."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from fingerprints.adapters.alpha_patterns import read_patterns

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
PATTERNS = st.dictionaries(st.tuples(st.sampled_from(["", "^"]), NAMES, st.sampled_from(["", "$"])), st.integers())


def means(key: str, module: str) -> bool:
    name = key.removeprefix("^").removesuffix("$")
    return module == name or (not key.startswith("^") and module.endswith(f".{name}"))


@given(patterns=PATTERNS, module=NAMES)
def test_the_first_that_means_a_module_counts(patterns: dict[tuple[str, str, str], int], module: str) -> None:
    written = {"".join(key): alpha for key, alpha in patterns.items()}
    expected = [alpha for key, alpha in written.items() if means(key, module)][:1]
    assert read_patterns(written).find(module) == expected


def test_expressions_are_not_matched() -> None:
    found = read_patterns({"(a+)+$": 3, "b": 4})
    assert (found.find("b"), found.find("aaa"), found.all_literal) == ([4], [], False)
    assert read_patterns(["b"]).all_literal


def test_many_patterns_cost_little() -> None:
    found = read_patterns({f"m.{at}.q": at for at in range(50_000)})
    start = time.process_time()
    assert [found.find(f"model.m.{at}.q") for at in range(10_000)] == [[at] for at in range(10_000)]
    assert time.process_time() - start < 2
