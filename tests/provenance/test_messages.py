from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import cli
import provenance
from fingerprints.errors import UsageError
from provenance.messages import LANGUAGES, messages
from provenance.result import ArchitectureRelation, Direction, Relation, Status
from provenance.scan.claim import Claimed
from provenance.verification import Agreement

PLACES = Path(provenance.__file__).parent


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_texts_with_the_same_placeholders(language: str) -> None:
    english, other = messages("en").texts, messages(language).texts
    assert list(other) == list(english)
    assert {key: placeholders(text) for key, text in other.items()} == {
        key: placeholders(text) for key, text in english.items()
    }
    assert all(text.strip() == text and text for text in other.values())


def test_chinese_is_chinese() -> None:
    english = messages("en").texts
    same = [key for key, text in messages("zh").texts.items() if text == english[key]]
    assert same == ["picture.z", "evidence.p"]


def kinds() -> set[str]:
    """Every kind that a result can name: those that `docs/verdicts.md` explains."""
    text = (PLACES.parent / "docs" / "verdicts.md").read_text(encoding="utf-8")
    rows = [line for line in text.partition("## Kinds")[2].splitlines() if line.startswith("| `")]
    return {kind for row in rows for kind in re.findall(r"`([a-z_]+)`", row.split("|")[1])}


def test_every_text_is_used() -> None:
    used = "".join(
        path.read_text()
        for place in (PLACES, Path(cli.__file__).parent)
        for path in place.rglob("*")
        if path.suffix in (".py", ".html") and "data" not in path.parts
    )
    keys = set(messages("en").texts)
    composed = (
        {f"headline.{word}" for word in Relation}
        | {f"headline.derived.{way}" for way in Direction}
        | {f"direction.{way}" for way in Direction}
        | {f"architecture.{word}" for word in (*ArchitectureRelation, "only_a", "only_b", "name_a", "name_b")}
        | {f"status.{word}" for word in Status}
        | {f"reading.{word}" for word in ("p", "effect", "z", "coverage")}
        | {"effect.floor", "effect.none.floor"}
        | {f"summary.{word}" for word in (Relation.COMMON_ORIGIN, Relation.INDEPENDENT, Relation.INCONCLUSIVE)}
        | {f"terminal.{word}" for word in (*Agreement, "only_a", "only_b", "patterns_a", "patterns_b")}
        | {f"kind.{kind}" for kind in kinds()}
        | {f"scan.{word}" for word in ("error", "pending")}
        | {f"claim.{word}" for word in Claimed}
        | {f"identify.declared.{word}" for word in ("unknown", "no", "yes", "closest")}
    )
    assert {key for key in keys if not re.search(rf"[\"']{re.escape(key)}[\"']", used)} <= composed
    assert composed - keys == {"headline.derived.undirected"}


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match="no messages in the language 'tlh'"):
        messages("tlh")
