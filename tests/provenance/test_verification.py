from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from provenance import Options, compare
from provenance.reports.json import encode, read_result
from provenance.result import Result
from provenance.verification import Agreement, juxtapose, verify
from tests.results import derived, independent

LENGTHS = {"a.weight": (40, 30), "b.weight": (50, 40), "c.weight": (20, 50)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    random = np.random.default_rng(3)
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in LENGTHS.items()}
    save_file(weights, folder / "a.safetensors")
    save_file({name: value * np.float32(1.01) for name, value in weights.items()}, folder / "b.safetensors")
    return folder


@pytest.fixture(scope="module")
def saved(folder: Path) -> Result:
    found = compare(folder / "a.safetensors", folder / "b.safetensors", Options(rows=16, sample_seed=5, full=True))
    return read_result(encode(found))


def test_the_same_files_give_the_same_result_wherever_they_are(folder: Path, saved: Result, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "moved")
    for places in ((None, None), (moved / "a.safetensors", moved / "b.safetensors")):
        found = verify(saved, *places)
        assert found.reproduced
        assert found.same_bytes
        assert {line.agreement for line in found.lines} == {Agreement.EQUAL}
    assert {"a", "verdict", "evidence", "tensors"} <= {line.section for line in found.lines}


def test_one_changed_value_is_found_and_named(folder: Path, saved: Result, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "moved")
    weights = load_file(moved / "b.safetensors")
    weights["b.weight"][3, 4] += 1
    save_file(weights, moved / "b.safetensors")
    found = verify(saved, moved / "a.safetensors", moved / "b.safetensors")
    assert not found.reproduced
    assert found.same_bytes is False
    different = [(line.section, line.subject) for line in found.lines if line.agreement is Agreement.DIFFERENT]
    assert ("b", "digest") in different
    assert ("tensors", "b.weight and b.weight") in different
    assert ("tensors", "c.weight and c.weight") not in different
    assert not [section for section, _ in different if section == "a"]


def test_an_altered_document_is_found(saved: Result) -> None:
    forged = replace(saved, verdict=replace(saved.verdict, tests=saved.verdict.tests + 1))
    found = verify(forged)
    assert [line.subject for line in found.lines if line.agreement is Agreement.DIFFERENT] == ["tests"]


def test_numbers_that_other_arithmetic_gives_are_close() -> None:
    base = derived()
    first = base.evidence[0]
    for z, expected in ((first.z * (1 + 1e-5), Agreement.CLOSE), (first.z * 1.01, Agreement.DIFFERENT)):
        now = replace(base, evidence=(replace(first, z=z), *base.evidence[1:]))
        found = juxtapose(base, now)
        assert [line.agreement for line in found.lines if line.agreement is not Agreement.EQUAL] == [expected]
        assert found.reproduced == (expected is Agreement.CLOSE)


def test_what_one_result_lacks_is_a_difference() -> None:
    found = juxtapose(derived(), independent())
    missing = [line for line in found.lines if line.section == "evidence" and line.now is None]
    assert len(missing) == 2
    assert not found.reproduced


def test_entries_about_the_same_thing_are_all_compared() -> None:
    base = derived()
    twice = replace(base, not_measured=(base.not_measured[0],) * 3)
    found = juxtapose(twice, replace(twice, not_measured=twice.not_measured[:2]))
    assert [line.agreement for line in found.lines if line.section == "not_measured"] == [
        Agreement.EQUAL,
        Agreement.EQUAL,
        Agreement.DIFFERENT,
    ]


def test_a_digest_of_headers_says_nothing_about_values() -> None:
    base = derived()
    header = replace(base, a=replace(base.a, digest="header:blake2b:00"), b=replace(base.b, digest="header:blake2b:00"))
    assert juxtapose(header, header).same_bytes is None
    assert juxtapose(header, base).same_bytes is False
