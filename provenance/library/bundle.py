"""A library as one file: a zip archive of its fingerprints, and `library.json` with names and facts."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from fingerprints.errors import AuditError, CheckpointError, CorruptCheckpoint, NotACheckpoint
from fingerprints.fingerprint import FingerprintCheckpoint, open_model
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.quoting import quoted
from provenance.library.entry import Entry
from provenance.library.library import Library, Problem
from provenance.library.listing import Transfer
from provenance.writing import write_atomically

LISTING = "library.json"
MOST_LISTING = 1 << 28
MOST_FINGERPRINT = 1 << 26
_HINT = "give a file that `provenance library export` wrote"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def export_to(library: Library, target: Path) -> Transfer:
    """Write all entries; places on this machine are left out. Equal libraries give equal bytes.

    Raises
    ------
    CheckpointError
        When a fingerprint is missing.
    """
    entries = library.entries()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        plain = [
            {
                "content": entry.content,
                "names": list(entry.names),
                "family": entry.family,
                "licence": entry.licence,
                "revision": entry.revision,
                "parents": list(entry.parents),
            }
            for entry in entries
        ]
        text = json.dumps({"schema_version": 1, "entries": plain}, sort_keys=True, indent=1)
        archive.writestr(zipfile.ZipInfo(LISTING, _EPOCH), text)
        for entry in entries:
            path = library.file_of(entry.content)
            if not path.is_file():
                raise NotACheckpoint(
                    f"the fingerprint of {quoted(entry.name)} is missing",
                    path=path,
                    hint="provenance library verify lists what is wrong",
                )
            archive.writestr(zipfile.ZipInfo(f"{entry.content}.safetensors", _EPOCH), path.read_bytes())
    data = buffer.getvalue()
    write_atomically(target, data)
    return Transfer(library=str(library.path), file=str(target), entries=len(entries), nbytes=len(data))


def import_from(library: Library, source: Path) -> Transfer:
    """Add the entries of an exported file; each fingerprint is read and checked before it is believed.

    Raises
    ------
    CheckpointError
        When it is no such file.
    """
    skipped: list[Problem] = []
    added = 0
    try:
        with zipfile.ZipFile(source) as archive, tempfile.TemporaryDirectory() as scratch:
            listing = parse_object(
                _member(archive, LISTING, MOST_LISTING, source), path=source, what="the list of entries", hint=_HINT
            )
            items = listing.get("entries")
            if not isinstance(items, list):
                raise CorruptCheckpoint(f"{quoted(str(source))} lists no entries", path=source, hint=_HINT)
            for item in items:
                try:
                    _add(library, archive, _details(item, source), Path(scratch), source)
                    added += 1
                except (CheckpointError, AuditError) as error:
                    subject = str(item.get("content", "?"))[:64] if isinstance(item, dict) else "?"
                    skipped.append(Problem(subject=subject, message=error.message))
    except zipfile.BadZipFile as error:
        raise CorruptCheckpoint(f"{quoted(str(source))} is no archive: {error}", path=source, hint=_HINT) from error
    return Transfer(
        library=str(library.path),
        file=str(source),
        entries=added,
        nbytes=source.stat().st_size,
        skipped=tuple(skipped),
    )


def _add(library: Library, archive: zipfile.ZipFile, details: Entry, scratch: Path, source: Path) -> None:
    place = scratch / "fingerprint.safetensors"
    place.write_bytes(_member(archive, f"{details.content}.safetensors", MOST_FINGERPRINT, source))
    with open_model(place) as opened:
        if not isinstance(opened, FingerprintCheckpoint) or opened.fingerprint.content != details.content:
            raise CorruptCheckpoint(
                f"{details.content} in {quoted(str(source))} is not what its name says", path=source, hint=_HINT
            )
        library.add(opened.fingerprint, details)


def _member(archive: zipfile.ZipFile, name: str, limit: int, source: Path) -> bytes:
    try:
        with archive.open(name) as file:
            data = file.read(limit + 1)
    except KeyError:
        raise CorruptCheckpoint(f"{quoted(str(source))} has no {quoted(name)}", path=source, hint=_HINT) from None
    except (RuntimeError, NotImplementedError, EOFError) as error:
        raise CorruptCheckpoint(
            f"{quoted(name)} in {quoted(str(source))} cannot be read: {error}", path=source, hint=_HINT
        ) from error
    if len(data) > limit:
        raise CorruptCheckpoint(
            f"{quoted(name)} in {quoted(str(source))} has more than {limit} bytes", path=source, hint=_HINT, limit=limit
        )
    return data


def _details(item: Any, source: Path) -> Entry:
    """One item of the list, all of whose values have to be text."""
    texts = ("content", "family", "licence", "revision")
    lists = ("names", "parents")
    if not (
        isinstance(item, dict)
        and all(isinstance(item.get(key), str) for key in texts)
        and all(isinstance(item.get(key), list) and all(isinstance(x, str) for x in item[key]) for key in lists)
    ):
        raise CorruptCheckpoint(f"an entry of {quoted(str(source))} makes no sense", path=source, hint=_HINT)
    return Entry(
        content=item["content"],
        names=tuple(item["names"]),
        sources=("",) * len(item["names"]),
        family=item["family"],
        licence=item["licence"],
        revision=item["revision"],
        parents=tuple(item["parents"]),
    )
