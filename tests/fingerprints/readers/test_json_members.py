"""Members of an object are where `json` finds them; what is damaged is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.json_members import members

PATH = Path("tokenizer.json")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(st.dictionaries(st.text(), VALUES), st.sampled_from([None, 2]), st.booleans())
def test_values_lie_where_the_json_module_finds_them(document: dict[str, Any], indent: int | None, plain: bool) -> None:
    data = json.dumps(document, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    found = members(data, path=PATH, hint="")
    read = {json.loads(b'"' + key + b'"'): json.loads(data[at]) for key, at in found.items()}
    assert read == document


@given(st.dictionaries(st.text(), VALUES, min_size=1), st.data())
def test_an_object_that_does_not_end_is_refused(document: dict[str, Any], data: st.DataObject) -> None:
    whole = json.dumps(document).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(CorruptCheckpoint):
        members(whole[:cut], path=PATH, hint="")


@pytest.mark.parametrize("text", [b"", b"[1]", b"nothing", b'{"a" 1}', b'{"a": 1 "b": 2}', b'{"a": }', b'{"a": 1,'])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        members(text, path=PATH, hint="")


def test_brackets_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprints.readers.json_members.MAX_BRACKETS", 10)
    with pytest.raises(LimitExceeded):
        members(b'{"a": ' + b"[" * 11 + b"]" * 11 + b"}", path=PATH, hint="")
