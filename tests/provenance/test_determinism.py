"""What must not change a result, and what a launderer of public positions must not gain."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fingerprints.sampling import units
from provenance import Options, Relation, allowance, compare, examination, to_json
from provenance.thresholds import thresholds
from tests.checkpoints import llama_shapes, write_values
from tests.provenance.conftest import EXAMPLES

ROWS = 64


def shuffled(source: Path, target: Path) -> Path:
    """The same safetensors file with its tensors in another order."""
    whole = source.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    header.pop("__metadata__", None)
    names = list(header)
    random.Random(5).shuffle(names)
    entries, data = {}, b""
    for name in names:
        start, stop = header[name]["data_offsets"]
        values = whole[8 + length + start : 8 + length + stop]
        entries[name] = {**header[name], "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(entries).encode()
    target.mkdir()
    (target / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return target


@pytest.mark.parametrize("other", ["tuned", "stranger"])
def test_the_order_of_tensors_in_the_file_changes_nothing(other: str, tmp_path: Path) -> None:
    moved = shuffled(EXAMPLES / "base" / "model.safetensors", tmp_path / "moved")
    one, two = compare(EXAMPLES / "base", EXAMPLES / other), compare(moved, EXAMPLES / other)
    for part in ("architecture", "verdict", "evidence", "layers", "not_measured"):
        assert to_json(getattr(one, part)) == to_json(getattr(two, part)), part


def overwritten(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A copy whose values at the public positions of every axis are noise."""
    rng = np.random.default_rng(1)
    result = {}
    for name, values in tensors.items():
        copy = values.copy()
        for axis, length in enumerate(values.shape):
            at = (slice(None),) * axis + (units(length, ROWS),)
            copy[at] = values.mean() + values.std() * rng.standard_normal(copy[at].shape)
        result[name] = copy.astype(np.float32)
    return result


def test_a_second_sample_disagrees_when_public_positions_were_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = replace(thresholds(), small_checkpoint_bytes=0, tiny_checkpoint_bytes=0)
    monkeypatch.setattr(allowance, "thresholds", lambda: large)
    rng = np.random.default_rng(0)
    shapes = llama_shapes(layers=2, hidden=512, mlp=1408, heads=8, kv_heads=8, vocabulary=600)
    tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    stranger = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    write_values(tmp_path / "a", tensors)
    write_values(tmp_path / "laundered", overwritten(tensors))
    write_values(tmp_path / "stranger", stranger)
    options = Options(rows=ROWS)
    assert compare(tmp_path / "a", tmp_path / "stranger", options).verdict.relation is Relation.INDEPENDENT
    found = compare(tmp_path / "a", tmp_path / "laundered", options).verdict
    assert found.relation is Relation.DERIVED, "the search for maps reads elsewhere"
    monkeypatch.setattr(examination, "plan_searches", lambda *_: ())
    verdict = compare(tmp_path / "a", tmp_path / "laundered", options).verdict
    assert verdict.relation is Relation.INCONCLUSIVE
    assert verdict.clause == "two samples disagree"
