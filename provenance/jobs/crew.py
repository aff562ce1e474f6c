"""What an engine works with: workers of one kind, however they are had."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Protocol

from provenance.jobs.failure import Failure


class Crew(Protocol):
    """Workers behind a `concurrent.futures.Executor`."""

    @property
    def size(self) -> int:
        """Pieces of work that are under way at once; may change as workers come and go."""
        ...

    @property
    def expendable(self) -> bool:
        """Whether a worker's process may be ended where nothing else ends its work."""
        ...

    def executor(self) -> Executor:
        """Where work is submitted: opened when it is first asked for, and after it was let go."""
        ...

    def let_go(self, *, busy: bool) -> None:
        """Give the executor back; `busy` workers stop at once."""
        ...

    def blamed(self, target: str, error: BaseException) -> Failure | None:
        """What it means for `target` that its future ended in `error`; None where another one may be at fault, and the
        executor is lost.

        Raises
        ------
        AuditError
            When no work at all can be done any more.
        """
        ...
