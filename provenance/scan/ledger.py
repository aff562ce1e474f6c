"""The results file: every target of a scan with its state, in SQLite.

One writer at a time; readers may look on. Each row changes in one transaction that is on the disk before the next
target starts, so that a process that dies at any moment leaves either the old row or the new one, and what was decided
stays decided. The writer's lock belongs to the process, and goes when it does.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fingerprints.errors import UsageError
from fingerprints.readers.quoting import quoted
from provenance.hub.listing import listing_of_json, listing_to_json
from provenance.jobs.category import Category
from provenance.scan.encoding import decode_row, encode_row
from provenance.scan.row import Row, State
from provenance.scan.survey import Survey
from provenance.writing import check_destination

APPLICATION: Final = 0x50524F56
"""What tells a results file from any other SQLite file: `PROV`."""
VERSION: Final = 1
PATIENCE: Final = 30.0
"""Seconds that one process waits for another's transaction."""
_SCHEMA: Final = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE targets (
    position INTEGER PRIMARY KEY,
    target TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    error TEXT,
    attempts INTEGER NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX by_state ON targets (state, attempts, position);
"""
_SURVEYS: Final = """
CREATE TABLE IF NOT EXISTS surveys (
    target TEXT PRIMARY KEY, nbytes INTEGER NOT NULL, requests INTEGER NOT NULL, listing TEXT
)
"""
"""Of targets that have no row yet."""


class Ledger:
    """Targets and their rows. A context manager; `write` takes the lock and makes the file when there is none."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self.path = path
        if write:
            check_destination(path)
        elif not path.is_file():
            raise UsageError(f"there are no results at {path}", hint="`provenance scan --results FILE` makes them")
        with self._explained(), ExitStack() as opened:
            if write:
                opened.enter_context(closing(self._locked()))
            address = _address(path, write=write)
            database = sqlite3.connect(address, timeout=PATIENCE, isolation_level=None, uri=True)
            self._database = opened.enter_context(closing(database))
            self._prepare(write=write)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._opened.close()

    def fact(self, name: str) -> str | None:
        """What was noted about the scan as a whole under `name`."""
        with self._explained():
            found = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def note(self, facts: Mapping[str, str]) -> None:
        """Note facts about the scan as a whole."""
        with self._explained(), self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))

    def add(self, targets: Iterable[str]) -> None:
        """Put targets on the list that are not on it."""
        rows = ((_key(target), State.PENDING, encode_row(Row(target=target))) for target in targets)
        with self._explained(), self._transaction():
            self._database.executemany(
                "INSERT OR IGNORE INTO targets (target, state, attempts, document) VALUES (?, ?, 0, ?)", rows
            )

    def started(self, target: str) -> None:
        """Count one more attempt, before it is made."""
        with self._explained(), self._transaction():
            self._database.execute("UPDATE targets SET attempts = attempts + 1 WHERE target = ?", (_key(target),))

    def finish(self, row: Row) -> None:
        """Put a target's row in place of the one it had; what its survey took counts, too."""
        with self._explained(), self._transaction():
            looked = self._database.execute("SELECT requests FROM surveys WHERE target = ?", (_key(row.target),))
            row = replace(row, requests=row.requests + sum(requests for (requests,) in looked))
            self._database.execute(
                "UPDATE targets SET state = ?, error = ?, document = ? WHERE target = ?",
                (row.state, row.error, encode_row(row), _key(row.target)),
            )
            self._database.execute("DELETE FROM surveys WHERE target = ?", (_key(row.target),))

    def note_survey(self, target: str, survey: Survey) -> None:
        """Keep what was found out of a target, for which it was started once; that is no attempt to decide it."""
        listing = None if survey.listing is None else json.dumps(listing_to_json(survey.listing))
        with self._explained(), self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO surveys VALUES (?, ?, ?, ?)",
                (_key(target), survey.nbytes, survey.requests, listing),
            )
            self._database.execute("UPDATE targets SET attempts = attempts - 1 WHERE target = ?", (_key(target),))

    def survey(self, target: str) -> Survey:
        """What was found out of a target."""
        with self._explained():
            nbytes, requests, text = self._database.execute(
                "SELECT nbytes, requests, listing FROM surveys WHERE target = ?", (_key(target),)
            ).fetchone()
        try:
            listing = None if text is None else listing_of_json(json.loads(text))
            return Survey(nbytes=nbytes, listing=listing, requests=requests)
        except (ValueError, AttributeError) as error:
            raise UsageError(
                f"{self.path} has a listing of {quoted(target)} that is none: {error}", hint="name another file"
            ) from error

    def surveyed(self) -> list[str]:
        """Targets that were surveyed and have no answer: those first that were tried least, then the smallest."""
        with self._explained():
            found = self._database.execute(
                "SELECT target FROM targets JOIN surveys USING (target) WHERE state = ?"
                " ORDER BY attempts, nbytes, position",
                (State.PENDING,),
            )
            return [self._target(key) for (key,) in found]

    def reopen(self, targets: Iterable[str]) -> None:
        """Make targets pending again, as if they had never been tried."""
        rows = ((State.PENDING, encode_row(Row(target=target)), _key(target)) for target in targets)
        with self._explained(), self._transaction():
            self._database.executemany(
                "UPDATE targets SET state = ?, error = NULL, attempts = 0, document = ? WHERE target = ?", rows
            )

    def pending(self) -> list[str]:
        """Targets without an answer: those first that were tried least, then as they were given."""
        with self._explained():
            found = self._database.execute(
                "SELECT target FROM targets WHERE state = ? ORDER BY attempts, position", (State.PENDING,)
            )
            return [self._target(key) for (key,) in found]

    def failed(self, categories: Collection[Category]) -> list[str]:
        """Targets whose error is of one of these categories."""
        return [row.target for row in self.rows() if row.error in categories]

    def rows(self) -> Iterator[Row]:
        """All rows, as their targets were given."""
        with self._explained():
            for document, attempts in self._database.execute(
                "SELECT document, attempts FROM targets ORDER BY position"
            ):
                yield decode_row(document, attempts, self.path)

    def counts(self) -> Mapping[str, int]:
        """How many targets are in each state."""
        with self._explained():
            return dict(self._database.execute("SELECT state, count(*) FROM targets GROUP BY state ORDER BY state"))

    def _prepare(self, *, write: bool) -> None:
        pragma = self._pragma
        empty = not self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if write and empty:
            pragma("journal_mode = WAL")
            with self._transaction():
                for statement in _SCHEMA.strip().split(";\n"):
                    self._database.execute(statement)
                pragma(f"application_id = {APPLICATION}")
                pragma(f"user_version = {VERSION}")
        application, version = pragma("application_id"), pragma("user_version")
        if application != APPLICATION:
            raise UsageError(f"{self.path} holds no results of a scan", hint="name another file with --results")
        if version != VERSION:
            raise UsageError(
                f"{self.path} holds results of version {version}, and this program writes version {VERSION}",
                hint="use the program that made them, or scan again into another file",
            )
        pragma("synchronous = FULL")
        if write:
            # Files from before there were surveys get the table, too.
            self._database.execute(_SURVEYS)

    def _target(self, key: str) -> str:
        """What `_key` made one of."""
        try:
            return str(json.loads(key))
        except ValueError as error:
            raise UsageError(
                f"{self.path} has a target that is none: {quoted(key)}", hint="name another file with --results"
            ) from error

    def _pragma(self, words: str) -> Any:
        found = self._database.execute(f"PRAGMA {words}").fetchone()
        return None if found is None else found[0]

    def _locked(self) -> sqlite3.Connection:
        """An exclusive lock on a file beside the results, which readers never look at."""
        lock = sqlite3.connect(self.path.with_name(f"{self.path.name}.lock"), timeout=0.0, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            raise UsageError(
                f"another scan is writing {self.path}", hint="wait until it ends, or name another file with --results"
            ) from error
        return lock

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        # The connection's own context commits, or rolls back what did not end well.
        with self._database:
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            raise UsageError(
                f"{self.path} cannot be used as a results file: {error}",
                hint="free some space; the same command goes on" if full else "name another file with --results",
            ) from error


def _address(path: Path, *, write: bool) -> str:
    """Readers make files beside the results, too, unless they may not, and nobody is writing."""
    place = path.resolve()
    written = place.with_name(f"{place.name}-wal").exists()
    still = not write and not written and not os.access(place.parent, os.W_OK)
    return f"{place.as_uri()}{'?immutable=1' if still else ''}"


def _key(target: str) -> str:
    """A target as the file has it: names of files may hold bytes that are no text, and text in SQLite may not."""
    return json.dumps(target)


def facts_text(value: Any) -> str:
    """A fact as text that compares equal when the fact does."""
    return json.dumps(value, sort_keys=True)
