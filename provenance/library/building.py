"""`library build`: fill a library from a catalogue file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingerprints.errors import AuditError, UsageError
from fingerprints.readers.quoting import quoted
from provenance.hub.reference import SCHEME
from provenance.library.adding import add_path
from provenance.library.library import Library, Problem
from provenance.options import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One line of a catalogue: `path` is where the model lies, by default under its name."""

    name: str
    path: str
    family: str = ""
    licence: str = ""
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """What a build did: names that it added, that were there, that are not at hand, and what failed."""

    library: str
    added: tuple[str, ...]
    known: tuple[str, ...]
    missing: tuple[str, ...]
    failed: tuple[Problem, ...]
    schema_version: int = 1

    @property
    def summary(self) -> str:
        """One line."""
        counts = {
            "added": len(self.added),
            "there already": len(self.known),
            "not at hand": len(self.missing),
            "failed": len(self.failed),
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "the catalogue is empty"


def build_from(
    library: Library, catalogue: Path | None, models: Path | None, progress: Progress, *, hub: bool = False
) -> Building:
    """Add every model of a catalogue that is at hand; one that fails does not keep the others out.

    Parameters
    ----------
    library : Library
        Where to.
    catalogue : Path or None
        A CSV file with a column `name` (or `hub_id`), and `path`, `family`, `licence`, `parents` (separated by
        semicolons) as far as they are known; or a JSON list of objects with these keys. None takes the shipped one.
    models : Path or None
        Folder that paths, and names without one, are relative to; by default that of the catalogue.
    progress : Progress
        Told how far it is.
    hub : bool
        Fetch what is not at hand from the Hub, under the names of the catalogue.

    Raises
    ------
    UsageError
        When the catalogue cannot be used.
    """
    wanted = list(_shipped() if catalogue is None else _read(catalogue))
    root = models or (Path.cwd() if catalogue is None else catalogue.parent)
    added, known, missing = [], [], []
    failed: list[Problem] = []
    for each in wanted:
        if library.database.content_of(each.name) is not None:
            known.append(each.name)
            continue
        place: str | Path = root / (each.path or each.name)
        if not Path(place).exists() and hub and not each.path:
            place = f"{SCHEME}{each.name}"
        elif not Path(place).exists():
            missing.append(each.name)
            continue
        try:
            add_path(
                library,
                place,
                name=each.name,
                family=each.family,
                licence=each.licence,
                parents=each.parents,
                progress=progress,
            )
            added.append(each.name)
        except AuditError as error:
            failed.append(Problem(subject=each.name, message=error.message))
    return Building(
        library=str(library.path),
        added=tuple(added),
        known=tuple(known),
        missing=tuple(missing),
        failed=tuple(failed),
    )


def _shipped() -> Iterator[Wanted]:
    from provenance.identification.catalogue import catalogue

    for entry in catalogue():
        yield Wanted(name=entry.name, path="", family=entry.family, licence=entry.licence)


def _read(path: Path) -> Iterator[Wanted]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the catalogue {quoted(str(path))} cannot be read: {error}", hint="name a .csv or .json file"
        ) from error
    if path.suffix == ".json":
        try:
            rows: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{quoted(str(path))} is not JSON: {error}", hint="write a list of objects") from error
        rows = rows.get("models") if isinstance(rows, dict) else rows
    else:
        rows = list(csv.DictReader(io.StringIO(text)))
    if not isinstance(rows, list):
        raise UsageError(f"{quoted(str(path))} holds no list of models", hint="write a list of objects with a name")
    for number, row in enumerate(rows, start=1):
        yield _wanted(row, number, path)


def _wanted(row: Any, number: int, path: Path) -> Wanted:
    plain: Mapping[str, Any] = row if isinstance(row, dict) else {}
    name = plain.get("name") or plain.get("hub_id")
    if not isinstance(name, str) or not name:
        raise UsageError(f"line {number} of {quoted(str(path))} names no model", hint="a column `name` is needed")
    parents = plain.get("parents") or ()
    return Wanted(
        name=name,
        path=str(plain.get("path") or ""),
        family=str(plain.get("family") or ""),
        licence=str(plain.get("licence") or ""),
        parents=tuple(
            part.strip() for part in (parents.split(";") if isinstance(parents, str) else map(str, parents)) if part
        ),
    )
