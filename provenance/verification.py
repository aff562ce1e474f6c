"""`verify`: is a saved result what the same comparison gives now?

Two results are laid side by side line by line: a field of a section, a test, a layer, a tensor. What a run costs, which
version made it and how the files are called are no part of the answer and not compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from provenance.evidence_folder import EvidenceFolder
from provenance.options import Progress
from provenance.recording import recorded_options
from provenance.reports.json import encode
from provenance.result import Result
from provenance.samples import read_again

CLOSE = 1e-4
"""Relative difference that other arithmetic (a library's version, a GPU) may leave in a number."""
_NOT_COMPARED = {"a": ("reference",), "b": ("reference",)}
_SECTIONS = ("a", "b", "architecture", "verdict", "claims")
_LISTS = ("evidence", "layers", "not_measured", "tensors")


class Agreement(StrEnum):
    """What became of one line."""

    EQUAL = "equal"
    CLOSE = "close"
    """Numbers differ by what other arithmetic leaves; all else is equal."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One part of a result. `saved` and `now` are its JSON; of long lists, that of the entry."""

    section: str
    subject: str
    agreement: Agreement
    saved: Any
    now: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of running a comparison again. `same_bytes` is None where a digest covers headers alone."""

    reproduced: bool
    same_bytes: bool | None
    version_saved: str
    version_now: str
    time_limit: float | None
    """Set where the comparison stops by the clock, so that two runs may see different parts."""
    lines: tuple[Line, ...]
    schema_version: int = 1


def verify(
    saved: Result,
    a: str | Path | None = None,
    b: str | Path | None = None,
    progress: Progress | None = None,
    *,
    evidence: EvidenceFolder | None = None,
) -> Verification:
    """Compare again with the recorded options, and say for each line of the result whether it is the same.

    Parameters
    ----------
    saved : Result
        A result of this version or an earlier one.
    a, b : str or Path, optional
        Where the two checkpoints are now; the recorded places by default.
    progress : Progress, optional
        Told how far it is.
    evidence : EvidenceFolder, optional
        Its files and the rows that it lists are checked as well.

    Raises
    ------
    CheckpointError
        When a side cannot be used.
    UsageError
        When a recorded option has a value that no option takes.
    """
    from provenance.comparison import compare

    options = recorded_options(saved)
    a, b = saved.a.reference if a is None else a, saved.b.reference if b is None else b
    found = juxtapose(saved, compare(a, b, options, progress))
    if evidence is None:
        return found
    from provenance.comparison import opened

    lines = [_line("files", name, *sums) for name, sums in evidence.sums.items()]
    with opened(a, b, options) as sides:
        for label, side, readings in zip("ab", sides, (evidence.samples.a, evidence.samples.b), strict=True):
            for reading, digest in read_again(side, readings):
                lines.append(_line(f"rows of {label.upper()}", reading.name, reading.sha256, digest))
    agreed = all(line.agreement is Agreement.EQUAL for line in lines)
    return replace(found, reproduced=found.reproduced and agreed, lines=(*lines, *found.lines))


def juxtapose(saved: Result, now: Result) -> Verification:
    """Two results, line by line."""
    lines = tuple(_lines(json.loads(encode(saved)), json.loads(encode(now))))
    whole = all(side.digest.startswith("content:") for side in (saved.a, saved.b, now.a, now.b))
    same = (saved.a.digest, saved.b.digest) == (now.a.digest, now.b.digest)
    return Verification(
        reproduced=all(line.agreement is not Agreement.DIFFERENT for line in lines),
        same_bytes=same if whole or not same else None,
        version_saved=saved.run.version,
        version_now=now.run.version,
        time_limit=recorded_options(saved).time_limit,
        lines=lines,
    )


def _lines(saved: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Line]:
    for section in _SECTIONS:
        for name in sorted({*saved[section], *now[section]} - {*_NOT_COMPARED.get(section, ())}):
            yield _line(section, name, saved[section].get(name), now[section].get(name))
    for section in _LISTS:
        old, new = (_by_subject(section, each[section]) for each in (saved, now))
        for key in dict.fromkeys((*old, *new)):
            subject, number = key
            yield _line(section, subject if number == 1 else f"{subject} ({number})", old.get(key), new.get(key))


def _by_subject(section: str, entries: list[dict[str, Any]]) -> dict[tuple[str, int], Any]:
    """The entries of a list by what they are about; those about the same thing are counted."""
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Any] = {}
    for entry in entries:
        subject = _subject(section, entry)
        seen[subject] += 1
        found[subject, seen[subject]] = entry
    return found


def _subject(section: str, entry: Mapping[str, Any]) -> str:
    if section in ("layers", "tensors"):
        return f"{entry['a']} and {entry['b']}"
    if section == "evidence":
        return f"{entry['signal']}: {entry['subject']}, {entry['axis']}"
    return f"{entry['signal']}: {entry['subject']}, {entry['reason']}"


def _line(section: str, subject: str, saved: Any, now: Any) -> Line:
    return Line(section=section, subject=subject, agreement=_agreement(saved, now), saved=saved, now=now)


def _agreement(saved: Any, now: Any) -> Agreement:
    if saved == now:
        return Agreement.EQUAL
    if isinstance(saved, Mapping) and isinstance(now, Mapping) and saved.keys() == now.keys():
        return _worst([_agreement(saved[key], now[key]) for key in saved])
    if isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        return _worst([_agreement(*pair) for pair in zip(saved, now, strict=True)])
    if isinstance(saved, float) and isinstance(now, int | float) and not isinstance(now, bool):
        return Agreement.CLOSE if abs(saved - now) <= CLOSE * max(abs(saved), abs(now)) else Agreement.DIFFERENT
    return Agreement.DIFFERENT


def _worst(found: list[Agreement]) -> Agreement:
    order = list(Agreement)
    return max(found, key=order.index, default=Agreement.EQUAL)
