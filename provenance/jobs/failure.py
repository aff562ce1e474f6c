"""A piece of work that came to nothing, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from fingerprints.errors import AuditError
from provenance.hub import Hub
from provenance.jobs.category import Category, category_of

LONGEST: Final = 2000
"""Characters of a message that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What `target` ended in, what was fetched for it until then, and of which commit, if it came that far."""

    target: str
    category: Category
    message: str
    requests: int = 0
    bytes_fetched: int = 0
    revision: str | None = None


class ChargedError(Exception):
    """Wraps an error, its cause, of work that had asked a Hub for something by then."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.requests, self.bytes_fetched, self.revision = hub.traffic.requests, hub.traffic.bytes_fetched, hub.revision


@contextmanager
def charged(hub: Hub) -> Iterator[None]:
    """Use a Hub for one target, and have failures say what was had of it."""
    with hub:
        try:
            yield
        except (AuditError, OSError) as error:
            raise ChargedError(hub) from error


def failure_of(target: str, error: BaseException) -> Failure:
    """What an exception tells about the target that it ended."""
    if isinstance(error, ChargedError) and error.__cause__ is not None:
        failure = failure_of(target, error.__cause__)
        return replace(failure, requests=error.requests, bytes_fetched=error.bytes_fetched, revision=error.revision)
    text = error.message if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
    return Failure(target=target, category=category_of(error), message=text[:LONGEST])
