"""A library on disk: `index.sqlite` and `fingerprints/`, one folder that can be copied."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError, CorruptCheckpoint, NotACheckpoint, UsageError
from fingerprints.fingerprint import Fingerprint, FingerprintCheckpoint, encode, open_model
from fingerprints.fingerprint.retrieval import Retrieval, RetrievalTable, retrieval_of
from fingerprints.readers.quoting import quoted
from provenance.fingerprint_comparison import Printed, printed, reference_of
from provenance.fingerprinting import fingerprint_of
from provenance.library.database import Database
from provenance.library.entry import Entry
from provenance.library.files import KnownFiles, files_of
from provenance.options import Progress
from provenance.writing import write_atomically

VARIABLE = "PROVENANCE_LIBRARY"
INDEX = "index.sqlite"
FOLDER = "fingerprints"
_SUFFIX = ".safetensors"


def default_library() -> Path:
    """The library of this user: what `PROVENANCE_LIBRARY` names, else a folder in the user's data."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "provenance" / "library"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that `verify` found; `harmless` ones are what an interrupted run leaves and nothing uses."""

    subject: str
    message: str
    harmless: bool = False


class Library:
    """Fingerprints by content, names by fingerprint.

    Parameters
    ----------
    path : Path
        The folder.
    create : bool
        Make it where it is missing.

    Raises
    ------
    UsageError
        When there is no library there.
    CheckpointError
        When its index cannot be read.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not (path / INDEX).is_file():
            if not create:
                raise UsageError(
                    f"there is no library in {quoted(str(path))}", hint="provenance library add M begins one"
                )
            (path / FOLDER).mkdir(parents=True, exist_ok=True)
        self.database = Database(path / INDEX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()

    def file_of(self, content: str) -> Path:
        """Where the fingerprint of a content lies."""
        return self.path / FOLDER / content[:2] / f"{content}{_SUFFIX}"

    def add_model(self, checkpoint: Checkpoint, details: Entry, progress: Progress | None = None) -> Entry:
        """Take the fingerprint of an opened checkpoint, or use the one that was opened, and add it.

        Parameters
        ----------
        checkpoint : Checkpoint
            The model.
        details : Entry
            Names, sources, family, licence, revision, parents; the rest is filled in.
        progress : Progress, optional
            Told how far it is.
        """
        entry = self.add(fingerprint_of(checkpoint, progress=progress), details)
        files = files_of(checkpoint)
        if files is not None:
            self.database.put_files(entry.content, files)
        return entry

    def add(self, fingerprint: Fingerprint, details: Entry) -> Entry:
        """Write the file, then the row. A content that is there already gets further names."""
        data = encode(fingerprint)
        target = self.file_of(fingerprint.content)
        known = target.is_file()
        if not known:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, data)
        side = printed(fingerprint, reference_of(target, fingerprint)).side
        entry = replace(
            details,
            content=fingerprint.content,
            licence=details.licence or str(fingerprint.claims.get("licence", "")),
            revision=details.revision or str(fingerprint.claims.get("revision", "")),
            tensors=len(fingerprint.tensors),
            parameters=fingerprint.inventory.parameters,
            nbytes=target.stat().st_size,
        )
        self.database.put(entry, retrieval_of(fingerprint, side.anatomy))
        return self.entry(fingerprint.content)

    def entry(self, name: str) -> Entry:
        """The entry of a name, a content, or the beginning of one.

        Raises
        ------
        UsageError
            When there is none, or more than one content begins so.
        """
        content = self.database.content_of(name)
        if content is None:
            fitting = [each for each in self.database.contents() if each.startswith(name)] if len(name) >= 6 else []
            if len(fitting) != 1:
                raise UsageError(
                    f"the library in {quoted(str(self.path))} has "
                    + (f"{len(fitting)} entries" if fitting else "no entry")
                    + f" called {quoted(name)}",
                    hint="provenance library list shows what is there",
                )
            content = fitting[0]
        return self.database.entries([content])[0]

    def entries(self) -> list[Entry]:
        """All entries, by name."""
        return self.database.entries()

    def remove(self, name: str) -> Entry:
        """Take a name away, and with the last one, or by content, the entry and its file; what it was."""
        entry = self.entry(name)
        if name in entry.names and len(entry.names) > 1:
            self.database.drop_name(name)
            return entry
        self.database.drop(entry.content)
        self.file_of(entry.content).unlink(missing_ok=True)
        return entry

    def read(self, content: str) -> Printed:
        """A fingerprint of the library, ready to be compared.

        Raises
        ------
        CheckpointError
            When its file is missing, damaged, or of another content.
        """
        path = self.file_of(content)
        if not path.is_file():
            raise NotACheckpoint(
                f"the fingerprint {quoted(str(path))} is missing",
                path=path,
                hint=f"take it out and add it again: provenance library remove {content[:12]}",
            )
        with open_model(path) as opened:
            if not isinstance(opened, FingerprintCheckpoint):
                raise CorruptCheckpoint(f"{quoted(str(path))} is no fingerprint", path=path, hint="add it again")
            if opened.fingerprint.content != content:
                raise CorruptCheckpoint(
                    f"{quoted(str(path))} holds another content, {opened.fingerprint.content}",
                    path=path,
                    hint="take it out and add it again",
                )
            return printed(opened.fingerprint, opened.origin)

    def table(self) -> tuple[tuple[str, ...], RetrievalTable]:
        """Contents and retrieval features of all entries."""
        return self.database.table()

    def known_files(self) -> KnownFiles:
        """Entries by the files that their weights lie in, as far as those are known."""
        return KnownFiles(self.database.files())

    def verify(self, *, repair: bool = False) -> list[Problem]:
        """Compare rows with files, and files with their contents.

        Parameters
        ----------
        repair : bool
            Delete what interrupted runs left: files that no row speaks of.
        """
        state = self.database.check()
        found = [] if state == "ok" else [Problem(subject=INDEX, message=state)]
        known = set()
        for entry in self.database.entries():
            known.add(self.file_of(entry.content))
            if not entry.names:
                found.append(Problem(subject=entry.content, message="it has no name", harmless=True))
            try:
                self.read(entry.content)
            except CheckpointError as error:
                found.append(Problem(subject=entry.name, message=error.message))
        for path in sorted((self.path / FOLDER).rglob("*")):
            if path.is_file() and path not in known:
                found.append(
                    Problem(
                        subject=str(path.relative_to(self.path)),
                        message="no entry speaks of this file: an interrupted run left it"
                        + ("; deleted" if repair else ""),
                        harmless=True,
                    )
                )
                if repair:
                    path.unlink(missing_ok=True)
        return found


def retrieval(printed_: Printed) -> Retrieval:
    """Retrieval features of one side."""
    return retrieval_of(printed_.fingerprint, printed_.side.anatomy)
