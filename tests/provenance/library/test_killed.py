"""Killed at any moment, `library add` leaves a library that `verify` passes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fingerprints.fingerprint import open_model
from provenance.fingerprinting import fingerprint
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.library.entry import Entry

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"

ADDING = """
import sys
from pathlib import Path
from fingerprints.fingerprint import open_model
from provenance.library import Library
from provenance.library.entry import Entry
prints = []
for path in sys.argv[2:]:
    with open_model(path) as opened:
        prints.append(opened.fingerprint)
print("ready", flush=True)
with Library(Path(sys.argv[1]), create=True) as library:
    while True:
        for number, each in enumerate(prints):
            library.add(each, Entry(content="", names=(f"m{number}",), sources=("",)))
        for number, _ in enumerate(prints):
            library.remove(f"m{number}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_whenever_it_is_killed_the_library_passes_and_takes_more(tmp_path: Path) -> None:
    files = []
    for name in ("gpt2-0", "gpt2-1", "resnet-0"):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(fingerprint(BASES / name)[0])
        files.append(str(path))
    folder = tmp_path / "library"
    environment = {**os.environ, "PYTHONPATH": str(BASES.parents[2])}
    left = 0
    for delay in (0.0, 0.003, 0.011, 0.03, 0.07, 0.15):
        process = subprocess.Popen(
            [sys.executable, "-c", ADDING, str(folder), *files], stdout=subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with Library(folder, create=True) as library:
            problems = library.verify()
            left += len(problems)
            assert all(problem.harmless for problem in problems), problems
            library.verify(repair=True)
            assert library.verify() == []
    with Library(folder) as library:
        add_path(library, files[0], name="after")
        assert library.entry("after").parameters > 0


def test_a_row_is_written_only_after_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gpt2-0.safetensors"
    path.write_bytes(fingerprint(BASES / "gpt2-0")[0])

    class PulledError(Exception):
        pass

    def pull(*_: object) -> None:
        raise PulledError

    with open_model(path) as opened, Library(tmp_path / "library", create=True) as library:
        monkeypatch.setattr(library.database, "put", pull)
        with pytest.raises(PulledError):
            library.add(opened.fingerprint, Entry(content="", names=("x",), sources=("",)))  # type: ignore[attr-defined]
        assert library.entries() == []
        (problem,) = library.verify()
        assert problem.harmless
