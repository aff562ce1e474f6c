"""A scan of good and bad targets, and one that is killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fingerprints.errors import UsageError
from provenance import Options, compare
from provenance.jobs.category import Category
from provenance.scan.claim import Claimed
from provenance.scan.derivative_class import DerivativeClass
from provenance.scan.formats import as_jsonl
from provenance.scan.ledger import Ledger
from provenance.scan.row import Row, State
from provenance.scan.scanning import ScanSettings, scan
from tests.small_models import write_child, write_model

ROOT = Path(__file__).resolve().parents[3]
QUICK = ScanSettings(options=Options(threads=1))


def targets_in(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir())]


def truncated(folder: Path, source: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes()[:5000])


def hostile_header(folder: Path, source: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{" * 64)


def empty_file(folder: Path, source: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")


def empty_folder(folder: Path, source: Path) -> None:
    folder.mkdir()


def foreign(folder: Path, source: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"GIF89a" * 100)


def nothing(folder: Path, source: Path) -> None:
    """Nothing is there."""


FAULTS: dict[Callable[[Path, Path], None], set[Category]] = {
    truncated: {Category.CORRUPT},
    hostile_header: {Category.CORRUPT, Category.UNSUPPORTED},
    empty_file: {Category.UNSUPPORTED},
    empty_folder: {Category.UNSUPPORTED},
    foreign: {Category.CORRUPT, Category.UNSUPPORTED},
    nothing: {Category.MISSING},
}


def test_bases_and_claims_are_found(models: Path, library: Path, tmp_path: Path) -> None:
    rows = {Path(row.target).name: row for row in scan(targets_in(models), library, tmp_path / "r.db", QUICK)}
    assert {name: (row.relation, row.base, row.claim) for name, row in rows.items()} == {
        "honest": ("derived", "acme/first", Claimed.CONFIRMED),
        "lying": ("derived", "second", Claimed.CONTRADICTED),
        "silent": ("derived", "second", Claimed.UNDECLARED),
        "stranger": ("independent", None, Claimed.NONE),
    }
    honest = rows["honest"]
    assert (honest.licence, honest.base_licence, honest.licence_agrees) == ("apache-2.0", "llama3.1", False)
    assert 'begin the name with "Llama"' in honest.duties
    assert honest.derivative_class in (DerivativeClass.FINE_TUNED, DerivativeClass.MODIFIED)
    assert honest.bytes_read > 0
    # The same comparison alone, but for the correction for two models instead of one.
    alone = compare(library / "acme" / "first", models / "honest")
    assert honest.log10_p == pytest.approx(alone.verdict.log10_p + np.log10(2), abs=1e-2)
    assert honest.kinds == tuple(kind.kind for kind in alone.verdict.kinds)


def test_a_library_model_is_not_compared_with_itself(library: Path, tmp_path: Path) -> None:
    (row,) = scan([str(library / "second")], library, tmp_path / "r.db", QUICK)
    assert (row.relation, row.base) == ("independent", None)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_a_row_with_its_category(fault: Callable[[Path, Path], None], library: Path, tmp_path: Path) -> None:
    fault(tmp_path / "bad", library / "second")
    (row,) = scan([str(tmp_path / "bad")], library, tmp_path / "r.db", replace(QUICK))
    assert row.state is State.ERROR
    assert row.error in FAULTS[fault]
    assert row.message


def test_answers_stay_and_only_what_is_asked_for_is_done_again(library: Path, tmp_path: Path) -> None:
    good = write_child(tmp_path / "good", library / "second", seed=9)
    targets, results = [str(good), str(tmp_path / "later")], tmp_path / "r.db"
    first = scan(targets, library, results, QUICK)
    assert [row.error for row in first] == [None, Category.MISSING]
    assert scan(targets, library, results, QUICK) == first
    write_model(tmp_path / "later", seed=10)
    assert scan(targets, library, results, QUICK) == first
    retried = scan(targets, library, results, replace(QUICK, retry={Category.MISSING}))
    assert retried[0] == first[0]
    assert retried[1].relation == "independent"
    save_file({"model.embed_tokens.weight": np.zeros((96, 64), np.float32)}, good / "model.safetensors")
    assert scan(targets, library, results, QUICK) == retried
    refreshed = scan(targets, library, results, replace(QUICK, refresh=True))
    assert refreshed[0].relation == "inconclusive"
    assert refreshed[1] == retried[1]


def test_another_library_is_not_mixed_in_unasked(library: Path, models: Path, tmp_path: Path) -> None:
    own = shutil.copytree(library, tmp_path / "library")
    targets = [str(models / "stranger")]
    scan(targets, own, tmp_path / "r.db", QUICK)
    shutil.copytree(models / "stranger", own / "third")
    with pytest.raises(UsageError, match="different library"):
        scan(targets, own, tmp_path / "r.db", QUICK)
    (row,) = scan(targets, own, tmp_path / "r.db", replace(QUICK, refresh=True))
    assert (row.relation, row.base) == ("identical", "third")


def test_a_library_that_cannot_be_read_is_found_out_before_the_scan(models: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no library"):
        scan([str(models / "silent")], tmp_path / "none", tmp_path / "r.db", QUICK)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no models"):
        scan([str(models / "silent")], tmp_path / "empty", tmp_path / "r.db", QUICK)


@pytest.mark.slow
def test_a_scan_that_is_killed_again_and_again_loses_and_doubles_nothing(library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "targets"
    folder.mkdir()
    truth: dict[str, str | None] = {}
    for number in range(10):
        for base in ("acme/first", "second"):
            target = write_child(folder / f"child-{number}-{base.replace('/', '-')}", library / base, seed=number)
            truth[str(target)] = base
        truth[str(write_model(folder / f"stranger-{number}", seed=100 + number))] = None
        fault = list(FAULTS)[number % len(FAULTS)]
        fault(folder / f"fault-{number}", library / "second")
    targets = sorted({*truth, *(str(folder / f"fault-{number}") for number in range(10))})
    assert len(targets) == 40
    listed, results = tmp_path / "list.txt", tmp_path / "r.db"
    listed.write_text("".join(f"{target}\n" for target in targets))
    command = [sys.executable, "-m", "cli.main", "scan", f"@{listed}", "--library", str(library)]
    command += ["--results", str(results), "--jobs", "2", "--quiet"]

    chance, jobs, kills, before = random.Random(7), 2, 0, dict[str, Row]()
    while kills < 8:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            try:
                process.wait(chance.uniform(2.0, 7.0))
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
        if results.is_file():
            before = check_kept(results, targets, before)
    done = subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    assert (done.returncode, kills > 0) == (0, True)
    after = check_kept(results, targets, before)
    assert [row.target for row in after.values()] == targets
    assert {name: row.base for name, row in after.items() if row.state is State.DONE} == truth
    assert {row.error for row in after.values() if row.state is State.ERROR} <= set().union(*FAULTS.values())
    # Each kill repeats at most what was under way.
    assert sum(row.attempts for row in after.values()) <= len(targets) + kills * jobs


def check_kept(results: Path, targets: list[str], before: dict[str, Row]) -> dict[str, Row]:
    """Rows that were decided are as they were; returns those that are now."""
    try:
        with Ledger(results) as ledger:
            rows = list(ledger.rows())
    except UsageError:
        # Killed between making the file and its tables: the next scan does that.
        assert not before
        return {}
    assert [row.target for row in rows] in ([], targets)
    found = {row.target: row for row in rows}
    assert {name: found[name] for name, row in before.items() if row.state is not State.PENDING} == {
        name: row for name, row in before.items() if row.state is not State.PENDING
    }
    return found


def test_rows_are_plain_json(models: Path, library: Path, tmp_path: Path) -> None:
    rows = scan([str(models / "honest")], library, tmp_path / "r.db", QUICK)
    (line,) = as_jsonl(rows).splitlines()
    plain = json.loads(line)
    wanted = "target revision state relation base kinds claim log10_p bytes_read error"
    assert list(plain)[:10] == wanted.split()
    assert (plain["state"], plain["base"], plain["error"]) == ("done", "acme/first", None)
