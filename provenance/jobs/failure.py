"""A piece of work that came to nothing, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fingerprints.errors import AuditError
from provenance.jobs.category import Category, category_of

LONGEST: Final = 2000
"""Characters of a message that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What `target` ended in."""

    target: str
    category: Category
    message: str


def failure_of(target: str, error: BaseException) -> Failure:
    """What an exception tells about the target that it ended."""
    text = error.message if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
    return Failure(target=target, category=category_of(error), message=text[:LONGEST])
