"""From the words of a command line to settings, each refused with what would be accepted instead."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from fingerprints.errors import UsageError
from provenance.jobs.category import Category
from provenance.options import Sided
from provenance.result import Relation
from provenance.writing import check_destination

MIN_ROWS = 8
FEWEST_PARENTS, MOST_PARENTS = 2, 8
SUFFIXES = (".json", ".txt")
PAGE_SUFFIXES = (*SUFFIXES, ".html")
FINGERPRINT_SUFFIX = ".safetensors"
Named = TypeVar("Named", bound=StrEnum)
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?([kmgt]?b?)", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
COMPARISON_SUFFIXES = (".json", ".txt", ".html", ".md", ".cdx.json", ".sarif", ".intoto.json")
FORMAT_HELP = "Print text, json, html, markdown, cyclonedx, sarif or in-toto; NAME@VERSION for one version."

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="One line, no progress.")]
Budget = Annotated[
    str | None,
    typer.Option("--budget", metavar="SIZE", help="Fetch at most SIZE from the Hub, such as 200MB. [default: 500MB]"),
]
AllowDownload = Annotated[
    bool, typer.Option("--allow-download", help="Fetch from the Hub as much as it takes, whole files too.")
]


class Language(StrEnum):
    """Languages of the reports that have words."""

    EN = "en"
    ZH = "zh"


def sided(option: str, words: Sequence[str]) -> Sided:
    """`NAME` for both sides, `a=NAME` or `b=NAME` for one.

    Raises
    ------
    UsageError
        When a side is named twice or a name is empty.
    """
    names: dict[str, str] = {}
    for word in words:
        side, equals, name = word.partition("=")
        sides, name = ((side,), name) if equals and side in ("a", "b") else (("a", "b"), word)
        if not name:
            raise UsageError(
                f"{option} {word!r} names nothing", hint=f"write {option} NAME, or {option} a=NAME for A only"
            )
        for each in sides:
            if each in names:
                raise UsageError(
                    f"{option} names {each.upper()} twice: {names[each]!r} and {name!r}",
                    hint=f"write {option} a=NAME {option} b=NAME when the sides differ",
                )
            names[each] = name
    return Sided(a=names.get("a"), b=names.get("b"))


def renames(words: Sequence[str]) -> Mapping[str, str]:
    """`A=B` pairs: a name prefix in A, and what it is in B; one of the two may be empty.

    Raises
    ------
    UsageError
        When a word has no `=`, two empty sides, or contradicts another.
    """
    pairs: dict[str, str] = {}
    for word in words:
        a, equals, b = word.partition("=")
        if not equals or not (a or b):
            raise UsageError(f"--map {word!r} is no pair", hint="write --map PREFIX_IN_A=PREFIX_IN_B")
        if pairs.setdefault(a, b) != b:
            raise UsageError(f"--map sends {a!r} to both {pairs[a]!r} and {b!r}", hint="give each prefix of A once")
    return pairs


def parents(options: Sequence[str], words: Sequence[str]) -> list[str]:
    """The parents of a merge: those that `--parents` names, and the words that follow the model.

    An option takes one word, so that of `M --parents P1 P2` the second arrives as a word of its own.

    Raises
    ------
    UsageError
        When there are fewer than two or more than eight, or none was named by `--parents`.
    """
    if not options:
        raise UsageError("no parents were given", hint="write: provenance decompose M --parents P1 P2")
    given = [*options, *words]
    if not FEWEST_PARENTS <= len(given) <= MOST_PARENTS:
        raise UsageError(
            f"{len(given)} {'parent was' if len(given) == 1 else 'parents were'} given, and a merge has"
            f" {FEWEST_PARENTS} to {MOST_PARENTS}",
            hint="to ask about one parent, use: provenance compare P1 M",
        )
    return given


def relations(words: Sequence[str]) -> frozenset[Relation]:
    """The relations in `--fail-on`, comma separated or repeated.

    Raises
    ------
    UsageError
        When a name is none of the relations.
    """
    return _named(words, Relation, "--fail-on {!r} is not a relation", "known relations")


def both_or_neither(a: str | None, b: str | None) -> None:
    """Refuse one checkpoint without the other.

    Raises
    ------
    UsageError
        When only the first is given.
    """
    if a is not None and b is None:
        raise UsageError("one checkpoint was given, and a comparison has two", hint="give A and B, or neither")


def one_format(json: bool, name: str) -> str:
    """The format of standard output; `--json` is short for one.

    Raises
    ------
    UsageError
        When `--json` stands beside another format.
    """
    if json and name not in ("text", "json"):
        raise UsageError(f"--json and --format {name!a} contradict each other", hint="give one of them")
    return "json" if json else name


def destination(path: Path | None, suffixes: Sequence[str] = SUFFIXES) -> Path | None:
    """The output file, if it can be one.

    Raises
    ------
    UsageError
        When the suffix is unknown or the folder missing.
    """
    if path is not None:
        if path.name in suffixes or not path.name.endswith(tuple(suffixes)):
            raise UsageError(
                f"-o {str(path)!r} has a suffix of no known report", hint=f"end the name in {', '.join(suffixes)}"
            )
        check_destination(path)
    return path


def fingerprint_file(path: Path) -> Path:
    """The file for a fingerprint, if it can be one.

    Raises
    ------
    UsageError
        When the suffix is another, or the folder missing.
    """
    if path.suffix != FINGERPRINT_SUFFIX:
        raise UsageError(
            f"-o {str(path)!r} does not end in {FINGERPRINT_SUFFIX}",
            hint=f"a fingerprint is a {FINGERPRINT_SUFFIX} file: -o {path.stem or 'model'}{FINGERPRINT_SUFFIX}",
        )
    check_destination(path)
    return path


def at_least(option: str, value: int, least: int) -> int:
    """`value`, when it is `least` or more.

    Raises
    ------
    UsageError
        When it is less.
    """
    if value < least:
        raise UsageError(f"{option} {value} is too small", hint=f"{option} takes {least} or more")
    return value


def probability(option: str, value: float) -> float:
    """`value`, when it lies strictly between 0 and 1.

    Raises
    ------
    UsageError
        When it does not.
    """
    if not 0.0 < value < 1.0:
        raise UsageError(f"{option} {value:g} is not a significance level", hint=f"{option} lies between 0 and 1: 1e-6")
    return value


def seconds(option: str, value: float | None) -> float | None:
    """`value`, when it is a positive number of seconds.

    Raises
    ------
    UsageError
        When it is not.
    """
    if value is not None and not (math.isfinite(value) and value > 0.0):
        raise UsageError(f"{option} {value:g} is no time to work with", hint=f"{option} takes seconds, more than 0")
    return value


def nbytes(option: str, word: str) -> int:
    """`200MB`, `1.5 GB`, `64k`: bytes in powers of 1000.

    Raises
    ------
    UsageError
        When it is no size, or none at all.
    """
    found = _SIZE.fullmatch(word.strip())
    count = int(float(found[1]) * 1000 ** _POWERS[found[2].lower().removesuffix("b")]) if found else 0
    if count <= 0:
        raise UsageError(f"{option} {word!r} is no size", hint=f"{option} takes bytes, or a size such as 200MB")
    return count


def with_full(full: bool, others: Mapping[str, bool]) -> bool:
    """`full`, when it is set or none of the `others` is, which rest on it.

    Raises
    ------
    UsageError
        When an option that rests on it is set alone.
    """
    for option, wanted in others.items():
        if wanted and not full:
            raise UsageError(f"{option} needs every value", hint=f"add --full: compare A B --full {option}")
    return full


def not_both(first: tuple[str, bool], second: tuple[str, bool]) -> None:
    """Refuse two switches that contradict each other.

    Raises
    ------
    UsageError
        When both are set.
    """
    if first[1] and second[1]:
        raise UsageError(f"{first[0]} and {second[0]} contradict each other", hint="give one of them")


def categories(words: Sequence[str]) -> frozenset[Category]:
    """The categories of errors in `--retry`, comma separated or repeated.

    Raises
    ------
    UsageError
        When a name is none of them.
    """
    return _named(words, Category, "--retry {!r} is no category of errors", "known")


def _named(words: Sequence[str], kind: type[Named], refusal: str, known: str) -> frozenset[Named]:
    """Members of an enumeration by their values, comma separated or repeated."""
    members = {member.value: member for member in kind}
    names = [name.strip() for word in words for name in word.split(",")]
    for name in names:
        if name not in members:
            raise UsageError(refusal.format(name), hint=f"{known}: {', '.join(members)}")
    return frozenset(members[name] for name in names)


def conditions(words: Sequence[str], fields: Sequence[str]) -> Mapping[str, str]:
    """`FIELD=VALUE` pairs.

    Raises
    ------
    UsageError
        When a word is no pair, or names no field, or a field twice.
    """
    pairs: dict[str, str] = {}
    for word in words:
        field, equals, value = word.partition("=")
        if not equals or field not in fields:
            raise UsageError(f"--where {word!r} names no field", hint=f"write FIELD=VALUE; fields: {', '.join(fields)}")
        if pairs.setdefault(field, value) != value:
            raise UsageError(f"--where names {field} twice", hint="use * and ? where several values are meant")
    return pairs
