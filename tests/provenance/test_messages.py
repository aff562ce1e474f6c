from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import provenance
from fingerprints.errors import UsageError
from provenance.messages import LANGUAGES, messages
from provenance.result import ArchitectureRelation, Direction, Relation, Status

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


def test_every_text_is_used() -> None:
    used = "".join(
        path.read_text() for path in PLACES.rglob("*") if path.suffix in (".py", ".html") and "data" not in path.parts
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
    )
    assert {key for key in keys if not re.search(rf"[\"']{re.escape(key)}[\"']", used)} <= composed
    assert composed - keys == {"headline.derived.undirected"}


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match="no messages in the language 'tlh'"):
        messages("tlh")
