"""Everything that can go wrong with a checkpoint, as one small tree.

    AuditError                      what a user can be told: what happened, and what to do next
    ├── UsageError                  the request itself makes no sense
    ├── Unavailable                 a repository, or bytes of it, cannot be had: nothing is known about the weights
    │   └── OverBudget              fetching them would cost more than is granted
    └── CheckpointError             the input is at fault, at `path`
        ├── NotACheckpoint          nothing in it that any reader recognises
        ├── UnsupportedFormat       recognised, but not a format that can be read
        ├── CorruptCheckpoint       recognised, and broken: truncated, contradictory, hostile
        │   └── LimitExceeded       reading on would cost more than `limit`
        └── UnreadableTensor        one tensor cannot be read; the others can

Every error carries a one-line `hint`; both texts may quote names from files and are escaped where they are shown.
"""

from __future__ import annotations

from pathlib import Path


class AuditError(Exception):
    """Root of all errors that are shown to a user as `error:` and `hint:`."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AuditError):
    """The request makes no sense as it stands."""


class Unavailable(AuditError):
    """What lies elsewhere cannot be had: the network, its permissions, or the budget stand in the way.

    Attributes
    ----------
    cause : str
        `gated`, `missing`, `rate-limited`, `over-budget`, or `unreachable` for anything else.
    """

    def __init__(self, message: str, *, hint: str = "", cause: str = "unreachable") -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class OverBudget(Unavailable):
    """Fetching on would cost more than is granted."""


class CheckpointError(AuditError):
    """A checkpoint, or part of one, cannot be used.

    Attributes
    ----------
    path : Path
        The file or folder at fault.
    offset : int or None
        Byte offset in `path` where the fault was found.
    limit, actual : int or None
        The bound that was checked, and what was found instead.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path,
        hint: str = "",
        offset: int | None = None,
        limit: int | None = None,
        actual: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.offset = offset
        self.limit = limit
        self.actual = actual


class NotACheckpoint(CheckpointError):
    """Nothing at `path` is recognised by any reader."""


class UnsupportedFormat(CheckpointError):
    """The format is recognised, and cannot be read."""


class CorruptCheckpoint(CheckpointError):
    """The format is recognised, and its content contradicts itself or its size."""


class LimitExceeded(CorruptCheckpoint):
    """Reading on would need more than `limit`."""


class UnreadableTensor(CheckpointError):
    """One tensor cannot be read; `tensor` names it."""

    def __init__(self, message: str, *, path: Path, tensor: str, hint: str = "") -> None:
        super().__init__(message, path=path, hint=hint)
        self.tensor = tensor
