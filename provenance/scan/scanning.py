"""A scan from its list to its last row: what is due, in which order, and how often it is tried."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path

from fingerprints.errors import UsageError
from provenance.jobs.category import ATTEMPTS, TRANSIENT, Category
from provenance.jobs.engine import Engine, Task, Workers
from provenance.jobs.failure import Failure
from provenance.library import Library
from provenance.library.library import INDEX
from provenance.options import Options, Progress, Silent
from provenance.scan.examination import Examination, examine
from provenance.scan.ledger import Ledger, facts_text
from provenance.scan.references import References, read_references
from provenance.scan.row import Row, State
from provenance.scan.stamp import current_stamp, stamp_of

TIMEOUT = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """How to scan.

    Attributes
    ----------
    jobs, workers
        How many targets are under way at once, and in what.
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
    with Ledger(results, write=True) as ledger:
        changed = _settle(ledger, stamp, settings)
        ledger.add(targets)
        _reopen(ledger, targets, settings, everything=changed)
        due = _due(ledger, targets)
        progress.stage("scanning", len(due))
        task = Task(
            work=partial(examine, how=Examination(library=models, options=settings.options)),
            started=ledger.started,
            limit=settings.timeout,
        )
        with Engine(jobs=settings.jobs, workers=settings.workers) as engine:
            for row in _with_retries(engine, task, due):
                ledger.finish(row)
                progress.advance()
        wanted = set(targets)
        return [row for row in ledger.rows() if row.target in wanted]


def _library(folder: Path) -> tuple[References | Path, str]:
    """What to compare with, and a text that changes when it does."""
    if (folder / INDEX).is_file():
        with Library(folder) as library:
            contents = sorted(entry.content for entry in library.entries())
        return folder, blake2b("".join(contents).encode(), digest_size=16).hexdigest()
    references = read_references(folder)
    return references, references.stamp


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


def _reopen(ledger: Ledger, targets: Sequence[str], settings: ScanSettings, *, everything: bool) -> None:
    if everything:
        ledger.reopen([row.target for row in ledger.rows()])
        return
    again = set(ledger.failed({*TRANSIENT, *settings.retry}))
    if settings.refresh:
        again |= {row.target for row in ledger.rows() if row.state != State.PENDING and _moved(row)}
    ledger.reopen(target for target in targets if target in again)


def _moved(row: Row) -> bool:
    """Whether a target's content is another than when its row was made."""
    return current_stamp(row.target) != row.stamp


def _due(ledger: Ledger, targets: Sequence[str]) -> list[str]:
    wanted = set(targets)
    return [target for target in ledger.pending() if target in wanted]


def _with_retries(engine: Engine, task: Task, due: list[str]) -> Iterator[Row]:
    """One row for each target; what may pass by itself is tried again after all others."""
    tries = 1
    while due:
        again = []
        for target, outcome in engine.run(task, [(target, target) for target in due]):
            if not isinstance(outcome, Failure):
                yield outcome
            elif tries < ATTEMPTS.get(outcome.category, 1):
                again.append(target)
            else:
                yield _failed(outcome)
        due, tries = again, tries + 1


def _failed(failure: Failure) -> Row:
    return Row(
        target=failure.target,
        state=State.ERROR,
        error=failure.category,
        message=failure.message,
        stamp=stamp_of(Path(failure.target)),
    )
