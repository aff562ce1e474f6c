"""Seeds and what fuzzing found: every input is read or refused, soon and in little memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from tests.fuzz.reading import CORPUS, READERS, parts, place, read
from tests.fuzz.watch import watching

INPUTS = {f"{path.parent.name}/{path.name}": path for reader in READERS for path in sorted((CORPUS / reader).iterdir())}
NO_WEIGHTS = ("torch/seed-pickle",)
SECONDS = 5.0
MOST_BYTES = 64 << 20
MOST_CORPUS = 600_000


def test_every_reader_has_seeds_and_they_are_small() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(READERS)
    for reader in READERS:
        assert any(path.name.startswith("seed-") for path in (CORPUS / reader).iterdir())
    assert sum(path.stat().st_size for path in INPUTS.values()) < MOST_CORPUS


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_read_or_refused(tmp_path: Path, name: str) -> None:
    path = place(INPUTS[name].parent.name, INPUTS[name].read_bytes(), tmp_path)
    read(path)
    with watching(tmp_path):
        read(path)
    start = time.perf_counter()
    tracemalloc.start()
    try:
        count = read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - start < SECONDS
    assert peak < MOST_BYTES
    if "/seed-" in name:
        assert bool(count) is not name.startswith(NO_WEIGHTS)


def test_parts_of_an_input() -> None:
    cut = b"\x00\xffcut\xff\x00"
    assert parts(b"a" + cut + b"b" + cut + b"c", 2) == [b"a", b"b" + cut + b"c"]
    assert parts(b"a", 3) == [b"a", b"", b""]
