"""From the words of a command line to targets: paths, globs, folders of models, lists, standard input."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from fingerprints.errors import UsageError
from provenance.scan.folders import models_below

MOST: Final = 5_000_000
"""Targets of one scan; the whole Hub has about half as many."""
LONGEST: Final = 4096
STDIN: Final = "-"


def read_targets(words: Sequence[str], stdin: Iterable[str]) -> list[str]:
    """Every target once, in the order in which they are named.

    Parameters
    ----------
    words : sequence of str
        `@FILE` and `-` are lists with one target a line, `#` begins a comment; a word with `*`, `?` or `[` that names
        nothing is a glob; a folder without a model of its own stands for the models in it. What names nothing at all
        is a target, too: the scan says what is wrong with it.
    stdin : iterable of str
        The lines of standard input.

    Raises
    ------
    UsageError
        When a list cannot be read, a glob matches nothing, or there are no targets.
    """
    targets = dict.fromkeys(_checked(target) for word in words for target in _expanded(word, stdin))
    if not targets:
        raise UsageError("there is nothing to scan", hint="name models, folders of models, or @LIST")
    if len(targets) > MOST:
        raise UsageError(f"{len(targets)} targets are more than {MOST}", hint="scan in parts, into one results file")
    return list(targets)


def _expanded(word: str, stdin: Iterable[str]) -> Iterator[str]:
    if word == STDIN:
        yield from _lines(stdin)
    elif word.startswith("@"):
        yield from _listed(Path(word[1:]))
    else:
        yield from _found(word)


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
            yield from _lines(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the list {path}: {error}", hint="a list is a text file, one target a line"
        ) from error


def _lines(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
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
