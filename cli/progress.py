"""How far a long run is, on standard error, and only where a person is watching."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from provenance.escaping import visible

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task, TaskID


def _rate_column() -> ProgressColumn:
    """Steps a second, or a minute where that is not one."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("")
            return Text(f"{speed:.1f}/s" if speed >= 1.0 else f"{60 * speed:.1f}/min")

    return Rate()


class Bar:
    """`provenance.options.Progress` as a bar that vanishes when the run ends; used as a context manager."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._in_bytes = False

    def __enter__(self) -> Self:
        self._start(in_bytes=False)
        return self

    def _start(self, *, in_bytes: bool) -> None:
        """Show steps and the time that has passed, or bytes, bytes a second and the time that is left."""
        from rich import progress as bars
        from rich.console import Console

        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        counts: list[bars.ProgressColumn] = [
            bars.MofNCompleteColumn(),
            _rate_column(),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[words]}", markup=False),
        ]
        if in_bytes:
            counts = [bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn()]
        self._progress = bars.Progress(
            bars.SpinnerColumn("line"),
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            *counts,
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task, self._in_bytes = None, in_bytes
        self._progress.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def stage(self, name: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        """Show the stage `name` in place of the last one."""
        if self._progress is None:
            return
        if in_bytes != self._in_bytes:
            self._progress.stop()
            self._start(in_bytes=in_bytes)
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(visible(name, limit=40), total=total, words="")

    def advance(self, steps: int = 1) -> None:
        """Move the bar on."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, steps)

    def note(self, words: str) -> None:
        """Show `words` behind the bar."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, words=visible(words, limit=60))


class NoBar:
    """Progress for logs, pipes and `--quiet`: nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, name: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        """Ignore."""

    def advance(self, steps: int = 1) -> None:
        """Ignore."""

    def note(self, words: str) -> None:
        """Ignore."""


def progress_bar(*, quiet: bool) -> Bar | NoBar:
    """A bar when standard error is a terminal and nobody asked for quiet."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    return Bar() if watched and not quiet else NoBar()
