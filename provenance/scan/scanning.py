"""A scan from its list to its last row: what is due, in which order, and how often it is tried."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fingerprints.errors import UsageError
from provenance.jobs.category import ATTEMPTS, TRANSIENT, Category
from provenance.jobs.crew import Crew
from provenance.jobs.engine import Engine, Task
from provenance.jobs.failure import Failure
from provenance.jobs.local import Local, Workers
from provenance.library import Library
from provenance.library.files import KnownFiles
from provenance.library.library import INDEX
from provenance.options import Options, Progress, Silent
from provenance.scan.examination import Asked, Examination, examine
from provenance.scan.ledger import Ledger, facts_text
from provenance.scan.purse import Allowance, Grant, Purse
from provenance.scan.references import References, read_references
from provenance.scan.row import Row, State
from provenance.scan.shipment import Shipped
from provenance.scan.stamp import current_stamp, stamp_of
from provenance.scan.survey import Survey, survey

TIMEOUT = 600.0
BATCH = 10_000
"""Targets that are looked at before the first of them is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """How to scan.

    Attributes
    ----------
    jobs, workers
        How many targets are under way at once, and in what.
    cluster : str or None
        Instead, a Dask cluster: `tcp://HOST:PORT` of its scheduler, or `local:N`.
    allowance : Allowance
        What may be fetched for all targets together.
    timeout : float
        Seconds that a target gets.
    options : Options
        Of each comparison. `alpha` is that of a whole row, however many models it was compared with.
    retry : collection of Category
        Errors to try again, beside those that may have passed by themselves.
    refresh : bool
        Do again what changed: targets by their content, and all when the library did.
    """

    jobs: int = 1
    workers: Workers = Workers.PROCESSES
    cluster: str | None = None
    allowance: Allowance = field(default_factory=Allowance)
    timeout: float = TIMEOUT
    options: Options = field(default_factory=Options)
    retry: Collection[Category] = ()
    refresh: bool = False


def scan(
    targets: Sequence[str],
    library: Path,
    results: Path,
    settings: ScanSettings | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Examine all targets that have no answer in `results` yet, and return the rows of all `targets`.

    Parameters
    ----------
    targets : sequence of str
        Paths.
    library : Path
        The models to compare with.
    results : Path
        The results file; it is continued when it exists.

    Raises
    ------
    UsageError
        When the library or the results file cannot be used, or belong to another scan.
    """
    settings, progress = settings or ScanSettings(), progress or Silent()
    progress.stage("reading the library")
    models, stamp = _library(library)
    with ExitStack() as opened:
        ledger = opened.enter_context(Ledger(results, write=True))
        changed = _settle(ledger, stamp, settings)
        ledger.add(targets)
        crew, reachable = _crew(models, stamp, settings, opened)
        engine = opened.enter_context(Engine(crew))
        work = _Work(ledger, engine, crew, Purse(settings.allowance, settings.options.budget), settings, progress)
        work.reopen(targets, everything=changed)
        work.examine(targets, Examination(library=reachable, options=settings.options), _known_files(models))
        wanted = set(targets)
        return [row for row in ledger.rows() if row.target in wanted]


def _crew(
    models: References | Path, stamp: str, settings: ScanSettings, opened: ExitStack
) -> tuple[Crew, References | Path | Shipped]:
    """The workers, and what the library is to them."""
    if settings.cluster is None:
        return Local(settings.jobs, settings.workers), models
    from provenance.jobs.cluster import Cluster
    from provenance.scan.shipping import shipped

    crew = opened.enter_context(Cluster(settings.cluster))
    return crew, shipped(models, stamp, crew.client)


def _library(folder: Path) -> tuple[References | Path, str]:
    """What to compare with, and a text that changes when it does."""
    if (folder / INDEX).is_file():
        return folder, library_stamp(folder)
    references = read_references(folder)
    return references, references.stamp


def _known_files(models: References | Path) -> KnownFiles:
    """Of a library of fingerprints; models in a folder are compared one by one."""
    if isinstance(models, References):
        return KnownFiles(())
    with Library(models) as library:
        return library.known_files()


def library_stamp(folder: Path) -> str:
    """Of a library of fingerprints.

    Raises
    ------
    AuditError
        When there is none.
    """
    with Library(folder) as library:
        contents = sorted(entry.content for entry in library.entries())
        files = (f"{content}{''.join(known.digests)}{known.setting}" for content, known in library.database.files())
        return blake2b("".join((*contents, *files)).encode(), digest_size=16).hexdigest()


def _settle(ledger: Ledger, stamp: str, settings: ScanSettings) -> bool:
    """Note what rows depend on beside their target; True when that changed and rows are to be made again."""
    facts = {
        "library": stamp,
        "set of options": facts_text(
            {name: getattr(settings.options, name) for name in ("rows", "layers", "alpha", "sample_seed", "full")}
        ),
    }
    known = {name: ledger.fact(name) for name in facts}
    changed = [name for name, value in facts.items() if known[name] not in (None, value)]
    if changed and not settings.refresh:
        raise UsageError(
            f"the results in {ledger.path} were made with a different {' and '.join(changed)}",
            hint="add --refresh to make them again, or name another file with --results",
        )
    ledger.note(facts)
    return bool(changed)


class _Work:
    """What is done with the targets of one scan, by one crew."""

    def __init__(
        self, ledger: Ledger, engine: Engine, crew: Crew, purse: Purse, settings: ScanSettings, progress: Progress
    ) -> None:
        self._ledger, self._engine, self._crew, self._purse = ledger, engine, crew, purse
        self._settings, self._progress = settings, progress
        self._errors = self._fetched = 0

    def reopen(self, targets: Sequence[str], *, everything: bool) -> None:
        """Make pending again what may have changed, or may pass now."""
        if everything:
            self._ledger.reopen([row.target for row in self._ledger.rows()])
            return
        again = set(self._ledger.failed({*TRANSIENT, *self._settings.retry}))
        if self._settings.refresh:
            wanted = set(targets) - again
            again |= self._moved({row.target: row.stamp for row in self._ledger.rows() if row.target in wanted})
        self._ledger.reopen(target for target in targets if target in again)

    def examine(self, targets: Sequence[str], how: Examination, known: KnownFiles) -> None:
        """Give every target a row, batch by batch.

        Of a batch all are looked at first, which takes no weights, and is remembered; then those are decided that lie
        in the files of a known model, and the others by their size.
        """
        wanted = set(targets)
        due = [target for target in self._ledger.pending() if target in wanted]
        self._progress.stage("scanning", len(due))
        look = Task(work=survey, admit=self._admitted, limit=self._settings.timeout)
        decide = Task(
            work=partial(examine, how=how), admit=partial(self._prepared, known), limit=self._settings.timeout
        )
        for start in range(0, len(due), BATCH):
            batch = due[start : start + BATCH]
            looked_at = set(self._ledger.surveyed())
            for target, found in self._tried(look, [each for each in batch if each not in looked_at]):
                self._ledger.note_survey(target, _ahead(found, known))
            members = set(batch)
            for _, row in self._tried(decide, [each for each in self._ledger.surveyed() if each in members]):
                self._finish(row)

    def _tried(self, task: Task, due: list[str]) -> Iterator[tuple[str, Any]]:
        """What came of targets; what may pass by itself is tried again after the others, and a failure gets its row."""
        tries = 1
        while due:
            again = []
            for target, outcome, curtailed in self._run(task, due):
                if not isinstance(outcome, Failure):
                    yield target, outcome
                elif curtailed and outcome.category is Category.OVER_BUDGET:
                    self._purse.close()
                elif tries < ATTEMPTS.get(outcome.category, 1):
                    again.append(target)
                else:
                    self._finish(_failed(outcome))
            due, tries = again, tries + 1

    def _finish(self, row: Row) -> None:
        self._ledger.finish(row)
        self._errors, self._fetched = self._errors + (row.state is State.ERROR), self._fetched + row.bytes_read
        self._progress.advance()
        self._progress.note(f"{self._errors} errors, {self._fetched / 1e6:,.0f} MB")

    def _moved(self, stamps: dict[str, str | None]) -> set[str]:
        """Targets whose content is another than when their row was made, as far as that can be found out."""
        self._progress.stage("looking for changes", len(stamps))
        moved = set()
        task = Task(work=current_stamp, admit=self._granted, limit=self._settings.timeout)
        for target, outcome, _ in self._run(task, list(stamps)):
            self._progress.advance()
            if isinstance(outcome, Failure):
                if outcome.category not in TRANSIENT:
                    moved.add(target)
            elif outcome != stamps[target]:
                moved.add(target)
        return moved

    def _run(self, task: Task, targets: Sequence[str]) -> Iterator[tuple[str, Any, bool]]:
        """Outcomes by target, and whether what it was granted was less than every target is to have."""
        for target, outcome in self._engine.run(task, [(target, target) for target in targets]):
            spent = _spent(outcome)
            grant = self._purse.settle(target, nbytes=spent[0], requests=spent[1])
            yield target, outcome, grant.curtailed

    def _granted(self, target: str) -> tuple[str, Grant] | None:
        grant = self._purse.grant(target, self._crew.size)
        return None if grant is None else (target, grant)

    def _admitted(self, target: str) -> tuple[str, Grant] | None:
        granted = self._granted(target)
        if granted is not None:
            self._ledger.started(target)
        return granted

    def _prepared(self, known: KnownFiles, target: str) -> Asked | None:
        """What there is to be examined, and what that may fetch."""
        granted = self._admitted(target)
        if granted is None:
            return None
        listing = self._ledger.survey(target).listing
        return Asked(
            target=target,
            grant=granted[1],
            listing=listing,
            same_files={} if listing is None else known.among(listing),
        )


def _ahead(found: Survey, known: KnownFiles) -> Survey:
    """A survey, of nothing to be read where a known model's files are listed."""
    same = found.listing is not None and known.among(found.listing)
    return replace(found, nbytes=0) if same else found


def _spent(outcome: Any) -> tuple[int, int]:
    """Bytes and requests."""
    match outcome:
        case Failure():
            return outcome.bytes_fetched, outcome.requests
        case Row():
            # Bytes of local files cost nothing.
            return (outcome.bytes_read if outcome.revision is not None else 0), outcome.requests
        case Survey():
            return 0, outcome.requests
    return 0, 1


def _failed(failure: Failure) -> Row:
    return Row(
        target=failure.target,
        revision=failure.revision,
        state=State.ERROR,
        error=failure.category,
        message=failure.message,
        bytes_read=failure.bytes_fetched,
        requests=failure.requests,
        stamp=failure.revision or stamp_of(Path(failure.target)),
    )
