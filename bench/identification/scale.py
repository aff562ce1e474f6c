"""Time and memory of `identify` in a library of the zoo's bases and very many synthetic entries.

A synthetic entry is a base's fingerprint with drawn values: its shapes and names are a real model's, so that the search
can tell it from the base by nothing but the values.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.identification.derivatives import fill
from bench.zoo import bases, derive
from fingerprints.fingerprint import Fingerprint, encode
from fingerprints.fingerprint.retrieval import retrieval_of
from provenance.fingerprint_comparison import Printed
from provenance.library import Entry, Library

LARGE, SMALL = "llama-0", "resnet-0"
MODEL = "llama-tuned"
_CHILD = """
import json, resource, sys, time
from pathlib import Path
from provenance.identification import IdentifyOptions, identify
from provenance.library import Library
seconds = []
for _ in range(4):
    started = time.process_time()
    with Library(Path(sys.argv[1])) as library:
        found = identify(Path(sys.argv[2]), library, IdentifyOptions(weights=False))
    seconds.append(time.process_time() - started)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak": peak, "closest": found.closest, "searched": found.searched}))
"""


def drawn(model: Fingerprint, seed: int) -> Fingerprint:
    """A fingerprint of the same layout whose values are random."""
    rng = np.random.default_rng(seed)
    return Fingerprint(
        tensors=model.tensors,
        inventory=model.inventory,
        seen={
            name: replace(each, digests=rng.bytes(len(each.digests)), whole=b"") for name, each in model.seen.items()
        },
        axes=tuple(
            replace(each, values=rng.integers(-127, 128, each.values.shape, dtype=np.int8)) for each in model.axes
        ),
        vectors=tuple(replace(each, values=rng.permutation(each.values).astype(np.float32)) for each in model.vectors),
        method=model.method,
        claims={},
    )


def populate(library: Library, side: Printed, present: int, count: int) -> None:
    """Write synthetic entries up to `count`; without waiting for the disk, which adding a model does."""
    for seed in range(present, count):
        made = drawn(side.fingerprint, seed)
        target = library.file_of(made.content)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = encode(made)
        target.write_bytes(data)
        entry = Entry(
            content=made.content,
            names=(f"synthetic-{len(side.fingerprint.tensors)}-{seed}",),
            sources=("",),
            tensors=len(made.tensors),
            parameters=made.inventory.parameters,
            nbytes=len(data),
        )
        library.database.put(entry, retrieval_of(made, side.side.anatomy))


def run(counts: Sequence[int], kept: str | None) -> None:
    """Fill a library up to each count, and identify a fine-tune in it several times in one process."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(kept or temporary)
        with Library(folder, create=True) as library:
            library.database._connection.execute("PRAGMA synchronous = OFF")
            fill(library, list(bases.BASES))
            for count in sorted(counts):
                started = time.monotonic()
                present = len(library.database.contents())
                # Beyond ten thousand those of a small model, for the disk's sake.
                side = library.read(library.entry(LARGE if count <= 10_000 else SMALL).content)
                populate(library, side, present, count)
                print(f"{count:,} entries; {time.monotonic() - started:.0f} s to write", file=sys.stderr)
                report(folder)


def report(folder: Path) -> None:
    """Run the search in a process of its own."""
    command = [sys.executable, "-c", _CHILD, str(folder), str(derive.folder(MODEL))]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    cold, *warm = told["seconds"]
    print(
        f"{told['searched']:,} entries: {MODEL} comes from {', '.join(told['closest'])}; the first time {cold:.2f} s,"
        f" then {min(warm):.2f} s of processor time, {told['peak']:,.0f} MB"
    )
