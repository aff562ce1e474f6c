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
from enum import StrEnum
from typing import Final

from fingerprints.errors import (
    AuditError,
    CheckpointError,
    CorruptCheckpoint,
    NotACheckpoint,
    OverBudget,
    Unavailable,
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
    OVER_BUDGET = "over-budget"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    FAILED = "failed"


ATTEMPTS: Final = {Category.RATE_LIMITED: 4, Category.UNREACHABLE: 3, Category.CRASHED: 2}
"""How often a scan tries a target that ends so; once where nothing is said."""

TRANSIENT: Final = frozenset({Category.RATE_LIMITED, Category.UNREACHABLE, Category.TIMEOUT, Category.CRASHED})
"""What another run tries again without being asked."""


class OverdueError(AuditError):
    """The time that a piece of work gets is over. No `OSError`: readers turn those into faults of the file."""


def category_of(error: BaseException) -> Category:
    """The category of an exception."""
    match error:
        case OverBudget():
            return Category.OVER_BUDGET
        case Unavailable():
            return Category(error.cause)
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
    return Category.FAILED
