"""What the exit code tells a script.

A verdict is a result, whatever it says; only `--fail-on` and `--policy` turn one into a failure, and `verify` one that
differs.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Every code the program ends with."""

    COMPLETED = 0
    """The result was computed and written, whatever the relation."""
    CONDITION_MET = 1
    """The result was computed and written, and `--fail-on` names its relation, it breaks the `--policy`, or `verify`
    found that it is not what was saved. Nothing else ends with 1.
    """
    FAILED = 2
    """The command line makes no sense, or the result could not be computed or written."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as shells count it."""
