"""NOTICE names what was taken from elsewhere: every place in it is there, and no table with a source is missing."""

from __future__ import annotations

import json
import re

import pytest

from tests.documents.consoles import ROOT

NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
PLACES = sorted(
    set(re.findall(r"\b(?:bench|tests|provenance|fingerprints|examples)(?:/[\w.-]*\w)+|\bexamples\b", NOTICE))
)
OWN = {
    "messages.en.json",
    "messages.zh.json",
    "result.schema.json",
    "thresholds.json",
    "independents.json",
    "manifest.json",
    "config.json",
}
"""Tables that this project made up itself."""


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_there(place: str) -> None:
    assert (ROOT / place).exists()


def test_every_table_is_named_or_our_own() -> None:
    folders = ("fingerprints/data", "provenance/data", "bench/catalogue", "bench/data", "tests/provenance/data")
    tables = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".json", ".csv", ".xz") and "results" not in path.parts and path.name not in OWN
    ]
    assert len(tables) > 5
    named = [ROOT / place for place in PLACES]
    missing = [path for path in tables if not any(path == place or place in path.parents for place in named)]
    assert missing == []


def test_tables_that_cite_a_source_are_not_called_our_own() -> None:
    for folder in ("fingerprints/data", "provenance/data"):
        for path in (ROOT / folder).glob("*.json"):
            comment = str(json.loads(path.read_text(encoding="utf-8")).get("comment", ""))
            assert "github.com" not in comment or path.name not in OWN


def test_it_ships_with_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'license-files = ["LICENSE", "NOTICE"]' in text
