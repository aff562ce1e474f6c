"""Links between documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fingerprints.signals import SIGNALS
from tests.documents.consoles import ROOT

_LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


FOLDERS = ("docs", "examples", "bench", "tests")


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md")))]


def anchors(path: Path) -> set[str]:
    """The anchors that a forge gives the headings of a document."""
    headings = _HEADING.findall(re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path: Path) -> None:
    for target in _LINK.findall(_FENCED.sub("", path.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        place, _, anchor = target.partition("#")
        found = (path.parent / place).resolve() if place else path
        assert found.is_relative_to(ROOT), target
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_signal_has_a_page_that_says_what_defeats_it() -> None:
    index = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    for signal in [*(signal.name for signal in SIGNALS), "unit_order"]:
        text = (ROOT / "docs" / "signals" / f"{signal}.md").read_text(encoding="utf-8")
        assert f"(signals/{signal}.md)" in index
        for part in ("**Measures**", "**Null hypothesis**", "**Survives**", "**Defeated by**"):
            assert part in text, f"{signal}: {part}"
