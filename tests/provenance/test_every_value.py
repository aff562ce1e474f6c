"""`compare` with every value read: what it adds to a result, and what it must not change."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from provenance import Options, Relation, compare, to_json
from provenance.options import Silent
from provenance.reports.json import encode
from provenance.tensor_entry import TensorEntry
from tests.provenance.conftest import EXAMPLES


class Told(Silent):
    """Remembers the stages that count bytes."""

    def __init__(self) -> None:
        self.sizes: list[int | None] = []
        self.done = 0
        self._counting = False

    def stage(self, name: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        self._counting = in_bytes
        if in_bytes:
            self.sizes.append(total)

    def advance(self, steps: int = 1) -> None:
        self.done += steps * self._counting


@pytest.mark.parametrize("other", ["tuned", "stranger"])
def test_the_answer_is_the_one_without(other: str) -> None:
    plain = compare(EXAMPLES / "base", EXAMPLES / other)
    full = compare(EXAMPLES / "base", EXAMPLES / other, Options(full=True, threads=2))
    assert plain.tensors == ()
    for part in ("a", "b", "architecture", "verdict", "evidence", "layers"):
        assert to_json(getattr(plain, part)) == to_json(getattr(full, part)), part
    assert len(full.tensors) == full.architecture.paired


def test_the_same_model_is_identical_and_every_row_says_so() -> None:
    result = compare(EXAMPLES / "base", EXAMPLES / "base", Options(full=True))
    assert result.verdict.relation is Relation.IDENTICAL
    assert {entry.equal_share for entry in result.tensors} == {1.0}
    assert {(entry.bit_distance, entry.max_abs_change, entry.max_at) for entry in result.tensors} == {(0.0, 0.0, None)}


def test_one_changed_value_is_found_wherever_it_is(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "base", tmp_path / "copy")
    path = tmp_path / "copy" / "model.safetensors"
    tensors = load_file(path)
    name = "model.layers.2.mlp.down_proj.weight"
    tensors[name][17, 31] += np.asarray(4.0, tensors[name].dtype)
    save_file(tensors, path)
    result = compare(EXAMPLES / "base", tmp_path / "copy", Options(full=True))
    (changed,) = (entry for entry in result.tensors if entry.equal_share < 1)
    assert (changed.a, changed.max_at) == (name, (17, 31))
    assert changed.max_abs_change == pytest.approx(4.0, rel=0.01)
    assert result.verdict.relation is Relation.DERIVED


def test_numbers_do_not_depend_on_threads_and_json_has_all_of_them() -> None:
    one, three = (
        compare(EXAMPLES / "base", EXAMPLES / "tuned", Options(full=True, spectrum=True, threads=n)) for n in (1, 3)
    )
    assert to_json(one.tensors) == to_json(three.tensors)
    assert encode(one).count('"bit_distance"') == len(one.tensors)
    assert {*to_json(one.tensors[0])} == {field.name for field in fields(TensorEntry)}
    matrices = [entry for entry in one.tensors if len(entry.shape) > 1]
    assert all(entry.stable_rank is not None and entry.stable_rank >= 1 for entry in matrices)


def test_progress_is_told_in_bytes() -> None:
    told = Told()
    result = compare(EXAMPLES / "base", EXAMPLES / "tuned", Options(full=True), told)
    assert told.sizes == [result.run.bytes_total]
    assert told.done == result.run.bytes_total


def test_what_is_left_out_has_a_reason() -> None:
    result = compare(EXAMPLES / "base", EXAMPLES / "tuned", Options(full=True, time_limit=1e-9))
    reasons = {entry.reason for entry in result.not_measured if entry.signal == "full pass"}
    assert reasons == {"the time limit was reached"}
    assert result.tensors == ()
