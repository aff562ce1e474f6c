from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.errors import UsageError
from provenance.decoding import from_json
from provenance.reports.encoder import Presentation
from provenance.reports.html import comparison
from provenance.reports.json import encode, read_result
from tests.results import RESULTS, SAVED, derived


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_result_comes_back_from_its_json(name: str) -> None:
    text = encode(RESULTS[name]())
    assert encode(read_result(text)) == text


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_results_of_earlier_versions_are_read_without_loss(path: Path) -> None:
    saved = json.loads(path.read_text())
    again = json.loads(encode(read_result(path.read_text())))
    assert _known_to(saved, again) == saved


def _known_to(saved: Any, again: Any) -> Any:
    """What is there again of the fields that an older version knew."""
    if isinstance(saved, dict) and isinstance(again, dict):
        return {key: _known_to(saved[key], again[key]) for key in saved if key in again}
    if isinstance(saved, list) and isinstance(again, list) and len(saved) == len(again):
        return [_known_to(*pair) for pair in zip(saved, again, strict=True)]
    return again


def plain() -> dict[str, Any]:
    return json.loads(encode(derived()))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("verdict", []),
        ("verdict.relation", "copied"),
        ("verdict.alpha", "1e-6"),
        ("verdict.tests", 1.5),
        ("verdict.tests", True),
        ("verdict.tests", 2**63),
        ("verdict.effect", float("nan")),
        ("verdict.summary", None),
        ("a.shards", "2"),
        ("a.dtypes", {"BF16": "all"}),
        ("a.dtypes", [1]),
        ("claims", [1]),
        ("claims", {"vocab_size": 3}),
        ("layers", {}),
        ("architecture.sizes", "unequal"),
        ("run.options", {"x": float("inf")}),
    ],
)
def test_what_no_result_holds_is_refused_by_its_place(place: str, value: Any) -> None:
    document = plain()
    *path, last = place.split(".")
    target = document
    for name in path:
        target = target[name]
    target[last] = value
    with pytest.raises(UsageError, match=place.split(".")[-1]) as error:
        from_json(document)
    assert error.value.hint


def test_a_missing_field_is_named() -> None:
    document = plain()
    del document["evidence"][1]["units"]
    with pytest.raises(UsageError, match=r"'evidence\[1\]\.units' is missing"):
        from_json(document)


def test_fields_of_later_versions_are_left_out_and_those_of_earlier_ones_take_their_defaults() -> None:
    document = plain()
    document["verdict"]["mood"] = "certain"
    del document["tensors"], document["a"]["findings"], document["architecture"]["layouts"]
    assert from_json(document) == from_json(plain())


def test_nesting_has_a_limit() -> None:
    document = plain()
    for _ in range(100):
        document["run"]["options"] = {"x": document["run"]["options"]}
    with pytest.raises(UsageError, match="nested deeper"):
        from_json(document)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key of a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(pairs):
        yield value, key
        yield from places(item)


@settings(deadline=None)
@given(
    index=st.integers(0, 10**6),
    junk=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.lists(st.integers(), max_size=2),
        st.dictionaries(st.text(max_size=3), st.text(), max_size=2),
    ),
)
def test_whatever_stands_anywhere_is_refused_or_can_be_shown(index: int, junk: Any) -> None:
    document = copy.deepcopy(plain())
    found = list(places(document))
    container, key = found[index % len(found)]
    container[key] = junk
    try:
        result = from_json(document)
        page = comparison.encode(result, Presentation())
    except UsageError:
        return
    assert page.endswith("</html>")
    assert encode(result)
