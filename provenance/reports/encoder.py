"""What a document format is: a name and a version, the results it can show, and a pure function that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from provenance.messages import LANGUAGES, Messages, messages
from provenance.result import Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What a reader wants of a document beside the result itself.

    Attributes
    ----------
    failing : frozenset of Relation
        Relations that a policy forbids; documents that report breaches name these.
    source : bytes or None
        The file that the result was read from, for documents that name its digest; None for a new result, whose file
        is what the JSON format writes.
    say : Messages
        The words of the language to write in, where a format has words.
    """

    failing: frozenset[Relation] = frozenset()
    source: bytes | None = None
    say: Messages = field(default_factory=lambda: messages(LANGUAGES[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """One version of one format for one type of result.

    Attributes
    ----------
    format, version : str
        What `--format NAME` and `--format NAME@VERSION` ask for.
    suffix : str
        How names of such files end; empty where another version has it.
    document : type
        The results that it takes.
    encode : callable
        `(result, Presentation) -> str`. The same result gives the same text.
    check : callable
        Raises UsageError when a library that it needs is not installed.
    """

    format: str
    version: str
    suffix: str
    document: type
    encode: Callable[[Any, Presentation], str]
    check: Callable[[], None] = lambda: None
