from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cli.main import run
from fingerprints.errors import UsageError
from fingerprints.sampling import units
from provenance import Options, allowance, compare, to_json
from provenance.comparison import compare_recorded
from provenance.evidence_folder import check_evidence_folder, open_evidence, write_evidence
from provenance.options import Silent
from provenance.samples import Samples, decode_samples, encode_samples
from provenance.thresholds import thresholds
from provenance.verification import Agreement, verify
from tests.checkpoints import llama_shapes, write_values
from tests.results import HOSTILE, derived

ROWS = 32


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two relatives, in `a` and `b`."""
    folder = tmp_path_factory.mktemp("pair")
    rng = np.random.default_rng(4)
    shapes = llama_shapes(layers=12, hidden=256, mlp=512, heads=4, kv_heads=4, vocabulary=300)
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    write_values(folder / "a", weights)
    write_values(folder / "b", {name: value * np.float32(1.01) for name, value in weights.items()})
    return folder


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Options:
    """Let small checkpoints be sampled as large ones are."""
    large = replace(thresholds(), small_checkpoint_bytes=0, tiny_checkpoint_bytes=0)
    monkeypatch.setattr(allowance, "thresholds", lambda: large)
    return Options(rows=ROWS, layers=2)


@pytest.fixture
def evidence(pair: Path, sampled: Options, tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    write_evidence(folder, *compare_recorded(pair / "a", pair / "b", sampled, Silent()))
    return folder


def test_recording_changes_nothing_of_the_result(pair: Path, sampled: Options) -> None:
    plain = compare(pair / "a", pair / "b", sampled)
    recorded, _ = compare_recorded(pair / "a", pair / "b", sampled, Silent())
    assert to_json(replace(recorded, run=plain.run)) == to_json(plain)
    assert recorded.run.bytes_read == plain.run.bytes_read


def test_what_is_listed_is_the_public_sample(pair: Path, sampled: Options) -> None:
    _, samples = compare_recorded(pair / "a", pair / "b", sampled, Silent())
    rows = {reading.name: reading.rows for reading in samples.a}
    last = "model.layers.11.mlp.gate_proj.weight"
    read = {row for first, final in rows[last] for row in range(first, final + 1)}
    assert set(units(512, ROWS).tolist()) <= read
    assert len(read) < 512
    assert "model.layers.5.mlp.gate_proj.weight" not in rows


def test_anybody_finds_the_same_digests_with_other_tools(evidence: Path, pair: Path) -> None:
    assert (
        subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=evidence, capture_output=True, check=False).returncode
        == 0
    )
    samples = json.loads((evidence / "samples.json").read_text())
    for side in "ab":
        weights = load_file(pair / side / "model.safetensors")
        assert len(samples[side]) > 10
        for entry in samples[side]:
            kept = np.concatenate([weights[entry["name"]][first : last + 1] for first, last in entry["rows"]])
            assert hashlib.sha256(kept.tobytes()).hexdigest() == entry["sha256"], entry["name"]


def test_samples_are_read_back_as_they_were_written(pair: Path, sampled: Options) -> None:
    _, samples = compare_recorded(pair / "a", pair / "b", sampled, Silent())
    strange = replace(samples.a[0], name=HOSTILE, shape=(), rows=())
    samples = replace(samples, a=(strange, *samples.a))
    text = encode_samples(samples)
    assert text.isascii()
    assert decode_samples(text) == samples
    assert decode_samples(encode_samples(Samples(a=(), b=()))) == Samples(a=(), b=())


@pytest.mark.usefixtures("sampled")
def test_an_unchanged_folder_is_verified_line_by_line(evidence: Path, pair: Path, tmp_path: Path) -> None:
    found = open_evidence(evidence)
    moved = shutil.copytree(pair, tmp_path / "moved")
    verification = verify(found.saved.result, moved / "a", moved / "b", evidence=found)
    assert verification.reproduced
    counts = {
        section: sum(line.section == section for line in verification.lines) for section in ("files", "rows of B")
    }
    assert counts == {"files": 3, "rows of B": len(found.samples.b)}


@pytest.mark.usefixtures("sampled")
def test_a_value_that_was_read_and_changed_is_named(evidence: Path, pair: Path, tmp_path: Path, capsys) -> None:
    found = open_evidence(evidence)
    reading = next(each for each in found.samples.b if each.name.endswith("gate_proj.weight"))
    moved = shutil.copytree(pair / "b", tmp_path / "b") / "model.safetensors"
    weights = load_file(moved)
    weights[reading.name][reading.rows[0][0], 3] *= np.float32(1.0001)
    save_file(weights, moved)
    verification = verify(found.saved.result, pair / "a", moved, evidence=found)
    assert not verification.reproduced
    rows = [line.subject for line in verification.lines if line.section == "rows of B" and line.agreement != "equal"]
    assert rows == [reading.name]
    assert run(["verify", str(evidence), str(pair / "a"), str(moved), "-q"]) == 1
    assert capsys.readouterr().out.startswith("not_reproduced")


@pytest.mark.usefixtures("sampled")
def test_an_edited_file_is_named(evidence: Path, pair: Path) -> None:
    path = evidence / "environment.json"
    path.write_text(path.read_text().replace("numpy", "NumPy"))
    found = open_evidence(evidence)
    verification = verify(found.saved.result, pair / "a", pair / "b", evidence=found)
    different = [(line.section, line.subject) for line in verification.lines if line.agreement is Agreement.DIFFERENT]
    assert different == [("files", "environment.json")]
    assert not verification.reproduced


@pytest.mark.usefixtures("sampled")
def test_a_tensor_that_is_gone_or_of_another_shape_is_a_line(evidence: Path, pair: Path, tmp_path: Path) -> None:
    found = open_evidence(evidence)
    weights = load_file(pair / "b" / "model.safetensors")
    del weights["model.norm.weight"]
    weights["model.layers.0.mlp.up_proj.weight"] = weights["model.layers.0.mlp.up_proj.weight"][:500]
    other = write_values(tmp_path / "other", weights)
    verification = verify(found.saved.result, pair / "a", other, evidence=found)
    now = {line.subject: line.now for line in verification.lines if line.section == "rows of B"}
    assert now["model.norm.weight"] == "there is no such tensor"
    assert now["model.layers.0.mlp.up_proj.weight"] == "it is F32 [500, 256], not F32 [512, 256]"


def test_the_command_writes_the_folder_and_takes_it_back(pair: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "evidence"
    for _ in range(2):
        assert run(["compare", str(pair / "a"), str(pair / "b"), "-q", "--evidence", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "environment.json",
        "result.json",
        "samples.json",
    ]
    assert {"provenance", "python", "numpy", "torch"} <= json.loads((folder / "environment.json").read_text()).keys()
    capsys.readouterr()
    assert run(["verify", str(folder), "-q"]) == 0
    assert capsys.readouterr().out.startswith("reproduced ")


def test_a_fingerprint_holds_nothing_to_list(pair: Path, tmp_path: Path, capsys) -> None:
    assert run(["fingerprint", str(pair / "a"), "-o", str(tmp_path / "a.safetensors")]) == 0
    assert run(["compare", str(tmp_path / "a.safetensors"), str(pair / "b"), "--evidence", str(tmp_path / "e")]) == 2
    assert "is a fingerprint" in capsys.readouterr().err
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("place", ["notes.txt", "full", "nowhere/evidence"])
def test_a_place_for_something_else_is_refused_before_the_work(
    compare_refused, tmp_path: Path, capsys, place: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    assert run(["compare", "a", "b", "--evidence", str(tmp_path / place)]) == 2
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["error", "hint"]
    assert (tmp_path / "notes.txt").read_text() == (tmp_path / "full" / "thesis.tex").read_text() == "mine"


@pytest.fixture
def compare_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a comparison is begun."""

    def refuse(*_: object) -> None:
        raise AssertionError("began to compare")

    monkeypatch.setattr("provenance.comparison.compare_recorded", refuse)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema_version": 2, "a": [], "b": []}',
        '{"schema_version": 1, "a": []}',
        '{"schema_version": 1, "a": [3], "b": []}',
        '{"schema_version": 1, "b": [], "a": [{"name": "x", "shape": [4], "dtype": "F32", "stored_as": "F32",'
        ' "rows": [[0, 4]], "sha256": ""}]}',
        '{"schema_version": 1, "b": [], "a": [{"name": "x", "shape": [4], "dtype": "F32", "stored_as": "F32",'
        ' "rows": [[2, 1]], "sha256": ""}]}',
        '{"schema_version": 1, "b": [], "a": [{"name": "x", "shape": [4], "dtype": "F32", "stored_as": "F32",'
        ' "rows": [[2, 3], [0, 1]], "sha256": ""}]}',
        '{"schema_version": 1, "b": [], "a": [{"name": "x", "shape": [-4], "dtype": "F32", "stored_as": "F32",'
        ' "rows": [], "sha256": ""}]}',
        '{"schema_version": 1, "b": [], "a": [{"name": 7, "shape": [4], "dtype": "F32", "stored_as": "F32",'
        ' "rows": [], "sha256": ""}]}',
    ],
)
def test_what_are_no_samples_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        decode_samples(text)


def test_a_folder_that_lacks_a_file_ends_with_2(tmp_path: Path, capsys) -> None:
    write_evidence(tmp_path / "evidence", derived(), Samples(a=(), b=()))
    (tmp_path / "evidence" / "samples.json").unlink()
    assert run(["verify", str(tmp_path / "evidence")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_new_folder_needs_only_a_parent(tmp_path: Path) -> None:
    check_evidence_folder(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
