"""Why a target has no verdict, in few words that a scan can act on.

gated         permission is missing
missing       nothing is there
unsupported   something is there, and no reader knows it
rate-limited  the server asks to come back later
unreachable   the server does not answer, or wrongly
corrupt       recognised, and broken
timeout       not finished in the time that a target gets
crashed       the worker's process died over it
failed        anything else: a defect of the program
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from fingerprints.errors import (
    AuditError,
    CheckpointError,
    CorruptCheckpoint,
    NotACheckpoint,
    UnreadableTensor,
    UsageError,
)


class Category(StrEnum):
    """Every category of errors."""

    GATED = "gated"
    MISSING = "missing"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate-limited"
    UNREACHABLE = "unreachable"
    CORRUPT = "corrupt"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    FAILED = "failed"


ATTEMPTS: Final = {Category.RATE_LIMITED: 4, Category.UNREACHABLE: 3, Category.CRASHED: 2}
"""How often a scan tries a target that ends so; once where nothing is said."""

TRANSIENT: Final = frozenset({Category.RATE_LIMITED, Category.UNREACHABLE, Category.TIMEOUT, Category.CRASHED})
"""What another run tries again without being asked."""

_BY_STATUS: Final = {401: Category.GATED, 403: Category.GATED, 404: Category.MISSING, 429: Category.RATE_LIMITED}


class OverdueError(AuditError):
    """The time that a piece of work gets is over. No `OSError`: readers turn those into faults of the file."""


def category_of(error: BaseException) -> Category:
    """The category of an exception, by what it is or what caused it."""
    return next((found for each in _causes(error) if (found := _known(each)) is not None), Category.FAILED)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """What went wrong first comes first: a reader may wrap an answer of the server in words of its own."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return reversed([each for each in chain if _status(each) is not None] + chain[:1])


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error tells of, whatever library raised it."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _known(error: BaseException) -> Category | None:
    status = _status(error)
    if status is not None:
        return _BY_STATUS.get(status, Category.UNREACHABLE)
    match error:
        case NotACheckpoint():
            return Category.UNSUPPORTED if os.path.lexists(error.path) else Category.MISSING
        case CorruptCheckpoint() | UnreadableTensor():
            return Category.CORRUPT
        case CheckpointError() | UsageError():
            return Category.UNSUPPORTED
        case FileNotFoundError():
            return Category.MISSING
        case PermissionError():
            return Category.GATED
        case OverdueError() | TimeoutError():
            return Category.TIMEOUT
        case ConnectionError():
            return Category.UNREACHABLE
    return None
