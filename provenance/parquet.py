"""Parquet, by the library that the extra `table` brings."""

from __future__ import annotations

from typing import Any

from fingerprints.errors import UsageError


def pyarrow() -> tuple[Any, Any]:
    """Return `pyarrow` and `pyarrow.parquet`.

    Raises
    ------
    UsageError
        When they are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "writing Parquet needs pyarrow, which is not installed",
            hint="pip install 'provenance-auditor[table]', or write CSV",
        ) from error
    return pyarrow, pyarrow.parquet
