"""A piece of work that came to nothing, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from fingerprints.errors import AuditError
from provenance.jobs.category import Category, category_of

LONGEST: Final = 2000
"""Characters of a message that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What `target` ended in, and what was fetched for it until then."""

    target: str
    category: Category
    message: str
    requests: int = 0
    bytes_fetched: int = 0


class ChargedError(Exception):
    """Wraps an error, its cause, of work that had fetched something by then."""

    def __init__(self, requests: int, bytes_fetched: int) -> None:
        super().__init__(requests, bytes_fetched)
        self.requests, self.bytes_fetched = requests, bytes_fetched


@contextmanager
def charged(spent: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """Have failures of the block say how many requests and bytes it cost."""
    try:
        yield
    except (AuditError, OSError) as error:
        raise ChargedError(*spent()) from error


def failure_of(target: str, error: BaseException) -> Failure:
    """What an exception tells about the target that it ended."""
    if isinstance(error, ChargedError) and error.__cause__ is not None:
        failure = failure_of(target, error.__cause__)
        return replace(failure, requests=error.requests, bytes_fetched=error.bytes_fetched)
    text = error.message if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
    return Failure(target=target, category=category_of(error), message=text[:LONGEST])
