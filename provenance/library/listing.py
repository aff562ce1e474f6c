"""What commands say about a whole library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from provenance.library.entry import Entry
from provenance.library.library import Library, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The entries of a library, by name."""

    library: str
    entries: tuple[Entry, ...]
    schema_version: int = 1

    @classmethod
    def of(cls, library: Library) -> Self:
        """All entries."""
        return cls(library=str(library.path), entries=tuple(library.entries()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found. Leftovers of interrupted runs are listed, and do not keep a library from passing."""

    library: str
    entries: int
    problems: tuple[Problem, ...]
    passed: bool
    schema_version: int = 1

    @classmethod
    def of(cls, library: Library, *, repair: bool = False) -> Self:
        """Verify a library."""
        problems = tuple(library.verify(repair=repair))
        return cls(
            library=str(library.path),
            entries=len(library.database.contents()),
            problems=problems,
            passed=all(problem.harmless for problem in problems),
        )

    @property
    def summary(self) -> str:
        """One line."""
        left = sum(problem.harmless for problem in self.problems)
        wrong = len(self.problems) - left
        return f"{self.entries} entries, {wrong or 'nothing'} wrong, {left or 'nothing'} left over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What an export or import carried; `skipped` lists what was not, and why."""

    library: str
    file: str
    entries: int
    nbytes: int
    skipped: tuple[Problem, ...] = ()
    schema_version: int = 1

    @property
    def summary(self) -> str:
        """One line."""
        left = f", {len(self.skipped)} left out" if self.skipped else ""
        return f"{self.entries} entries, {self.nbytes / 1e6:.1f} MB{left}: {self.file}"
