"""The index of a library: one SQLite file beside the fingerprints.

A row is written after the file that it speaks of is on the disk, and deleted before that file is: whatever stops the
program leaves files without a row at worst, which nobody misses.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fingerprints.errors import AuditError, CorruptCheckpoint
from fingerprints.fingerprint.retrieval import BUCKETS, MARKS, SKETCHES, Retrieval, RetrievalTable
from provenance.library.entry import Entry
from provenance.library.files import Files

SCHEMA = 1
PATIENCE = 30.0
"""Seconds to wait for another process that writes."""
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    content TEXT PRIMARY KEY, family TEXT NOT NULL, licence TEXT NOT NULL, revision TEXT NOT NULL,
    parents TEXT NOT NULL, tensors INTEGER NOT NULL, parameters INTEGER NOT NULL, nbytes INTEGER NOT NULL,
    shapes TEXT NOT NULL, layout TEXT NOT NULL, sketch BLOB NOT NULL, marks BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS names (
    name TEXT PRIMARY KEY, content TEXT NOT NULL REFERENCES entries (content) ON DELETE CASCADE, source TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS names_by_content ON names (content);
CREATE INDEX IF NOT EXISTS entries_by_shapes ON entries (shapes);
"""
_FILES = """
CREATE TABLE IF NOT EXISTS files (
    content TEXT PRIMARY KEY REFERENCES entries (content) ON DELETE CASCADE,
    digests TEXT NOT NULL, setting TEXT NOT NULL
) WITHOUT ROWID
"""
"""Made when it is first needed: libraries from before it have none, and those that are only read get none."""
_HINT = "`provenance library verify` says what is wrong; copies of the folder made while nothing writes are whole"


class Database:
    """The index in one file.

    Parameters
    ----------
    path : Path
        The file; created with its tables where it is missing.

    Raises
    ------
    CorruptCheckpoint
        When it is no index, or one of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told():
            self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA synchronous = FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                with self._writing():
                    for statement in filter(str.strip, _TABLES.split(";")):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
        if version > SCHEMA:
            self.close()
            raise CorruptCheckpoint(
                f"the library index {path} has version {version}, and this program reads {SCHEMA}",
                path=path,
                hint="update the program",
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Faults of the file as errors that say where."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise AuditError(f"the library index {self._path} cannot be used: {error}", hint=_HINT) from error
        except sqlite3.DatabaseError as error:
            raise CorruptCheckpoint(
                f"the library index {self._path} is damaged: {error}", path=self._path, hint=_HINT
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            # The connection's own context commits, or rolls back what did not end well.
            with self._connection:
                yield

    def put(self, entry: Entry, retrieval: Retrieval) -> None:
        """Write an entry and its names in one step; names that were others' become its own."""
        with self._writing():
            self._connection.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (content) DO UPDATE SET"
                " family = CASE excluded.family WHEN '' THEN family ELSE excluded.family END,"
                " licence = CASE excluded.licence WHEN '' THEN licence ELSE excluded.licence END,"
                " revision = CASE excluded.revision WHEN '' THEN revision ELSE excluded.revision END,"
                " parents = CASE excluded.parents WHEN '[]' THEN parents ELSE excluded.parents END",
                (
                    entry.content,
                    entry.family,
                    entry.licence,
                    entry.revision,
                    json.dumps(entry.parents),
                    entry.tensors,
                    entry.parameters,
                    entry.nbytes,
                    retrieval.shapes,
                    retrieval.layout,
                    retrieval.sketch.tobytes(),
                    retrieval.marks.astype("<u8").tobytes(),
                ),
            )
            for name, source in zip(entry.names, entry.sources, strict=True):
                self._connection.execute(
                    "INSERT INTO names VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                    " content = excluded.content, source = excluded.source",
                    (name, entry.content, source),
                )

    def put_files(self, content: str, files: Files) -> None:
        """Write which files the weights of an entry lie in."""
        with self._writing():
            self._connection.execute(_FILES)
            self._connection.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (content, json.dumps(files.digests), files.setting)
            )

    def files(self) -> list[tuple[str, Files]]:
        """Contents whose files are known, with these."""
        with self._told():
            if not self._connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'files'").fetchone():
                return []
            rows = self._connection.execute("SELECT content, digests, setting FROM files ORDER BY content").fetchall()
        return [
            (content, Files(digests=tuple(json.loads(digests)), setting=setting)) for content, digests, setting in rows
        ]

    def drop_name(self, name: str) -> bool:
        """Delete a name; whether there was one."""
        with self._writing():
            return self._connection.execute("DELETE FROM names WHERE name = ?", (name,)).rowcount > 0

    def drop(self, content: str) -> None:
        """Delete an entry with its names."""
        with self._writing():
            self._connection.execute("DELETE FROM entries WHERE content = ?", (content,))

    def content_of(self, name: str) -> str | None:
        """The content that a name stands for."""
        with self._told():
            found = self._connection.execute("SELECT content FROM names WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def contents(self) -> tuple[str, ...]:
        """All contents, sorted: the order of the rows of `table`."""
        with self._told():
            return tuple(row[0] for row in self._connection.execute("SELECT content FROM entries ORDER BY content"))

    def entries(self, contents: list[str] | None = None) -> list[Entry]:
        """Entries by content; all where none are asked for; sorted by their first names."""
        asked = (None if contents is None else json.dumps(contents),)
        with self._told():
            wanted = self._connection.execute(
                "SELECT content, family, licence, revision, parents, tensors, parameters, nbytes FROM entries"
                " WHERE ?1 IS NULL OR content IN (SELECT value FROM json_each(?1))",
                asked,
            ).fetchall()
            names: dict[str, list[tuple[str, str]]] = defaultdict(list)
            for name, content, source in self._connection.execute(
                "SELECT name, content, source FROM names"
                " WHERE ?1 IS NULL OR content IN (SELECT value FROM json_each(?1)) ORDER BY rowid",
                asked,
            ):
                names[content].append((name, source))
        found = [
            Entry(
                content=row[0],
                names=tuple(name for name, _ in names[row[0]]),
                sources=tuple(source for _, source in names[row[0]]),
                family=row[1],
                licence=row[2],
                revision=row[3],
                parents=tuple(json.loads(row[4])),
                tensors=row[5],
                parameters=row[6],
                nbytes=row[7],
            )
            for row in wanted
        ]
        return sorted(found, key=lambda entry: (entry.name, entry.content))

    def at_hand(self, parameters: int, most: int) -> list[Entry]:
        """Entries whose weights lay somewhere, those nearest in size first."""
        with self._told():
            rows = self._connection.execute(
                "SELECT content FROM entries WHERE content IN (SELECT content FROM names WHERE source <> '')"
                " ORDER BY abs(parameters - ?), content LIMIT ?",
                (parameters, most),
            ).fetchall()
        order = {content: place for place, (content,) in enumerate(rows)}
        return sorted(self.entries(list(order)), key=lambda entry: order[entry.content])

    def table(self) -> tuple[tuple[str, ...], RetrievalTable]:
        """Retrieval features of all entries, in the order of `contents`."""
        with self._told():
            rows = self._connection.execute(
                "SELECT content, shapes, layout, sketch, marks FROM entries ORDER BY content"
            ).fetchall()
        sizes = len(SKETCHES) * BUCKETS, MARKS * 8
        if any((len(row[3]), len(row[4])) != sizes for row in rows):
            raise CorruptCheckpoint(
                f"the library index {self._path} holds features of another size", path=self._path, hint=_HINT
            )
        sketches = np.frombuffer(b"".join(row[3] for row in rows), dtype=np.int8)
        marks = np.frombuffer(b"".join(row[4] for row in rows), dtype="<u8")
        table = RetrievalTable(
            sketches=sketches.reshape(len(rows), len(SKETCHES), BUCKETS),
            marks=marks.reshape(len(rows), MARKS),
            shapes=tuple(row[1] for row in rows),
            layouts=tuple(row[2] for row in rows),
        )
        return tuple(row[0] for row in rows), table

    def check(self) -> str:
        """What SQLite's own check says, `ok` where nothing is wrong."""
        with self._told():
            return str(self._connection.execute("PRAGMA quick_check").fetchone()[0])

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()
