"""Are the p-values of fingerprints what they say? The pairs of `bench.calibration`, by their fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from bench import calibration
from bench.comparison import told
from bench.pairs import selected
from fingerprints.fingerprint import FingerprintCheckpoint, Grade, open_model
from provenance.fingerprint_comparison import compare_fingerprints
from provenance.fingerprinting import fingerprint_of
from provenance.options import Options, Silent

WIDTH = 140


def run() -> int:
    """Print the checks and tables of every grade.

    Returns
    -------
    int
        1 where a check fails.
    """
    pairs = selected()
    passed = True
    for grade in Grade:
        prints = _taken(sorted({path for pair in pairs for path in (pair.a, pair.b)}), grade)
        found = [
            told(pair, compare_fingerprints(prints[pair.a], prints[pair.b], Options(), Silent())) for pair in pairs
        ]
        print(f"fingerprints of the grade {grade}")
        outcome = calibration.judge(found)
        outcome.show(Console(width=WIDTH))
        passed = passed and outcome.passed
    return int(not passed)


def _taken(paths: list[Path], grade: Grade) -> Mapping[Path, FingerprintCheckpoint]:
    found = {}
    for path in paths:
        with open_model(path) as checkpoint:
            found[path] = FingerprintCheckpoint(fingerprint_of(checkpoint, grade=grade), checkpoint.origin)
    return found
