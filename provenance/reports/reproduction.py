"""The commands that give a result again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from provenance.options import Options
from provenance.recording import recorded_options
from provenance.result import Result

RESULT_FILE = "result.json"
_DEFAULT = Options()


def compare_command(result: Result) -> str:
    """The command line of the same comparison, quoted for a shell; the names in it are not escaped."""
    words = ["provenance", "compare", result.a.reference, result.b.reference, *_options(recorded_options(result))]
    return shlex.join([*words, "-o", RESULT_FILE])


def verify_command(result: Result) -> str:
    """The command line that checks a saved result."""
    return shlex.join(["provenance", "verify", RESULT_FILE, result.a.reference, result.b.reference])


def _options(options: Options) -> Iterator[str]:
    for name, value in (("rows", options.rows), ("layers", options.layers), ("sample-seed", options.sample_seed)):
        if value is not None and value != getattr(_DEFAULT, name.replace("-", "_")):
            yield from (f"--{name}", str(value))
    for name in ("full", "spectrum"):
        if getattr(options, name):
            yield f"--{name}"
    if options.alpha != _DEFAULT.alpha:
        yield from ("--alpha", f"{options.alpha:g}")
    if options.time_limit is not None:
        yield from ("--time-limit", f"{options.time_limit:g}")
    for name, sided in (("subtree", options.subtree), ("variant", options.variant)):
        for side in ("a", "b"):
            if (chosen := getattr(sided, side)) is not None:
                yield from (f"--{name}", f"{side}={chosen}")
    for a, b in options.renames.items():
        yield from ("--map", f"{a}={b}")
    if options.device != _DEFAULT.device:
        yield from ("--device", options.device)
