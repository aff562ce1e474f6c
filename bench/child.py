"""`python -m bench.child COMMAND...`: runs a command and prints its time, peak memory and bytes read as JSON.

A process of its own, and a small one: a new process starts with the peak memory of the one it was forked from, so
that memory measured from a big parent would be the parent's. Standard output of the command goes to the file that
`--output` names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def read_so_far() -> int | None:
    """Bytes that this process and the children it has waited for got from read calls; None where not counted."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["rchar"])


def measure(command: list[str], output: str) -> dict[str, float | int | None]:
    """Run `command` and measure it: `seconds`, `processor` (seconds), `peak` and `read` (bytes), `status`."""
    before = read_so_far()
    start = time.perf_counter()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    redirect = [(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o644)]
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=redirect)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    after = read_so_far()
    return {
        "seconds": seconds,
        "processor": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
        "read": None if before is None or after is None else after - before,
        "status": os.waitstatus_to_exitcode(status),
    }


if __name__ == "__main__":
    if sys.argv[1:2] != ["--output"] or len(sys.argv) < 4:
        sys.exit("usage: python -m bench.child --output FILE COMMAND...")
    print(json.dumps(measure(sys.argv[3:], sys.argv[2])))
