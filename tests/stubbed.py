"""The program in a process of its own, with `compare` replaced: `python -m tests.stubbed derived compare A B`.

The first argument names a result of `tests.results`, or one of: `wait` (report a stage, then wait to be interrupted),
`defect` (raise what no code raises on purpose).
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

from cli.main import main
from provenance.options import Options, Progress
from provenance.result import Result
from tests.results import RESULTS


def stub(name: str) -> object:
    """A stand-in for `provenance.comparison.compare` that always gives the result `name`."""

    def compare(a: str, b: str, options: Options, progress: Progress) -> Result:
        progress.stage("reading", total=2)
        progress.advance()
        if options.full:
            progress.stage("every value", total=2_000_000_000, in_bytes=True)
            progress.advance(500_000_000)
        if name == "wait":
            print("waiting", file=sys.stderr, flush=True)
            time.sleep(60)
        if name == "defect":
            raise KeyError("\x1b[31mblame")
        return RESULTS[name]()

    return compare


if __name__ == "__main__":
    sys.modules["provenance.comparison"] = SimpleNamespace(compare=stub(sys.argv.pop(1)))  # type: ignore[assignment]
    main()
