"""Every sentence and label of the reports, in each language: one catalogue a language, with the same keys.

What a result records in words (its summary, reasons, messages) is quoted as it stands, in English.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fingerprints.errors import UsageError

LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """The catalogue of one language: called with a key and what its placeholders stand for."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text under `key`, filled in."""
        return self.texts[key].format(**values)


@cache
def messages(language: str = "en") -> Messages:
    """The catalogue of `language`.

    Raises
    ------
    UsageError
        When there is none.
    """
    if language not in LANGUAGES:
        raise UsageError(f"no messages in the language {language!a}", hint=f"known languages: {', '.join(LANGUAGES)}")
    text = files("provenance").joinpath("data", f"messages.{language}.json").read_text(encoding="utf-8")
    return Messages(language=language, texts=json.loads(text))
