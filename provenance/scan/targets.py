"""From the words of a command line to targets: paths, globs, folders of models, lists, and what a Hub lists."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from fingerprints.errors import UsageError
from provenance.hub import Hub
from provenance.hub.query import HubQuery
from provenance.scan.folders import models_below

MOST: Final = 5_000_000
"""Targets of one scan; the whole Hub has about half as many."""
LONGEST: Final = 4096
STDIN: Final = "-"
_ORGANISATION: Final = re.compile(
    r"(?:hf://|https?://(?:www\.)?(?:huggingface\.co|hf\.co)/)([A-Za-z0-9][\w.-]{0,95})/?"
)


def read_targets(words: Sequence[str], stdin: Iterable[str], queries: Iterable[HubQuery] = ()) -> list[str]:
    """Every target once, in the order in which they are named.

    Parameters
    ----------
    words : sequence of str
        `@FILE` and `-` are lists with one target a line, `#` begins a comment; a word with `*`, `?` or `[` that names
        nothing is a glob; a folder without a model of its own stands for the models in it; `hf://NAME` for those of a
        user or an organisation. What names nothing at all is a target, too: the scan says what is wrong with it.
    stdin : iterable of str
        The lines of standard input.
    queries : iterable of HubQuery
        What to ask the Hub for, after the words.

    Raises
    ------
    UsageError
        When a list cannot be read, a glob or query matches nothing, or there are no targets.
    Unavailable
        When the Hub cannot be asked.
    """
    named = (target for word in words for target in _expanded(word, stdin))
    asked = (target for query in queries for target in _on_the_hub(query))
    targets = dict.fromkeys(_checked(target) for target in chain(named, asked))
    if not targets:
        raise UsageError("there is nothing to scan", hint="name models, folders of models, or @LIST")
    if len(targets) > MOST:
        raise UsageError(f"{len(targets)} targets are more than {MOST}", hint="scan in parts, into one results file")
    return list(targets)


def _expanded(word: str, stdin: Iterable[str]) -> Iterator[str]:
    if not word.strip():
        raise UsageError("an empty word names no target", hint="quote variables that may be empty, or leave them out")
    if word == STDIN:
        yield from _lines(stdin)
    elif word.startswith("@"):
        yield from _listed(Path(word[1:]))
    elif organisation := _ORGANISATION.fullmatch(word):
        yield from _on_the_hub(HubQuery(author=organisation[1]))
    else:
        yield from _found(word)


def _on_the_hub(query: HubQuery) -> Iterator[str]:
    with Hub() as hub:
        found = list(hub.models(query))
    if not found:
        raise UsageError(f"no model on the Hub fits {str(query)!a}", hint="check the spelling, or ask for less")
    return iter(found)


def _found(word: str) -> Iterator[str]:
    place = Path(word)
    try:
        if place.is_dir():
            yield from (str(model) if model != place else word for model in models_below(place))
            return
        if glob.has_magic(word) and not place.exists():
            matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - patterns may be absolute
            if not matches:
                raise UsageError(f"nothing matches {word!r}", hint="check the pattern, and quote it for the shell")
            yield from matches
            return
    except (OSError, ValueError):
        # A path that the system refuses is for the scan to report.
        pass
    yield word


def _listed(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            # No more than a line that may be one: what is no list may have none that ends.
            yield from _lines(iter(lambda: file.readline(2 * LONGEST), ""))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the list {path}: {error}", hint="a list is a text file, one target a line"
        ) from error


def _lines(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if len(line) >= 2 * LONGEST:
            raise UsageError(
                f"a line of {len(line)} characters or more names no target", hint="a list has one target a line"
            )
        target = line.partition(" #")[0].strip()
        if target and not target.startswith("#"):
            yield target


def _checked(target: str) -> str:
    if len(target) > LONGEST or "\0" in target:
        raise UsageError(
            f"a target of {len(target)} characters is none: {target[:40]!r}...",
            hint="lists have one path or repository a line",
        )
    return target
