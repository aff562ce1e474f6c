"""How much of a checkpoint a fingerprint samples."""

from __future__ import annotations

from enum import StrEnum


class Grade(StrEnum):
    """`FULL` samples ten layers of each stack; `SCAN` three of them, for a fifth of the bytes and requests."""

    FULL = "full"
    SCAN = "scan"
