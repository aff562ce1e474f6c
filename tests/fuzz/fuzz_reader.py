"""Fuzzes one reader: `python tests/fuzz/fuzz_reader.py gguf -max_total_time=600`. See README.md beside it.

Arguments after the reader's name are libFuzzer's, https://llvm.org/docs/LibFuzzer.html#options
"""

from __future__ import annotations

import resource
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["fingerprints"]):
    from tests.fuzz.reading import CORPUS, READERS, place, read
    from tests.fuzz.watch import watching
    from tests.fuzz.words import WORDS

HEADROOM = 1 << 30
"""Bytes of address space that reading may take beyond those taken at the start."""
LONGEST = 1 << 16
SECONDS = 10


def main(arguments: list[str]) -> None:
    """Run libFuzzer on one reader, with its corpus as seeds."""
    if not arguments or arguments[0] not in READERS:
        sys.exit(f"usage: fuzz_reader.py {{{','.join(READERS)}}} [libFuzzer options]")
    reader, options = arguments[0], arguments[1:]
    seeds = CORPUS / reader
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        found, written, words = Path(scratch, "found"), Path(scratch, "written"), Path(scratch, "words")
        found.mkdir()
        written.mkdir()
        words.write_text("".join(f'"{_spelled(word)}"\n' for word in WORDS[reader]))
        defaults = [
            f"-timeout={SECONDS}",
            f"-max_len={LONGEST}",
            f"-artifact_prefix={seeds}/",
            f"-dict={words}",
            "-rss_limit_mb=2560",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        for seed in sorted(seeds.glob("seed-*")):
            read(place(reader, seed.read_bytes(), written))  # what libraries do when they are loaded is theirs
        warnings.simplefilter("error")
        program = f"{sys.executable} {__file__} {reader}"  # which libFuzzer starts again to merge and to minimise
        atheris.Setup([program, *defaults, *options, str(found), str(seeds)], _target(reader, written))
        _limit_memory()
        atheris.Fuzz()


def _spelled(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _target(reader: str, folder: Path) -> Callable[[bytes], None]:
    def run(content: bytes) -> None:
        path = place(reader, content, folder)
        with watching(folder):
            read(path)

    return run


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
