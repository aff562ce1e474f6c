"""A fingerprint of scan grade is a part of the full one, and is tested against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fingerprints.checkpoint import Origin
from fingerprints.fingerprint import Fingerprint, Grade, open_model, take_fingerprint
from fingerprints.pairing import pair_parts
from provenance.comparison import compare
from provenance.fingerprint_comparison import doubt, printed
from provenance.fingerprinting import fingerprint
from provenance.result import Relation
from tests.checkpoints import llama_shapes, write_values

SIZES = {"layers": 14, "hidden": 64, "mlp": 160, "heads": 4, "kv_heads": 2, "vocabulary": 128}
RELATED = {Relation.DERIVED, Relation.COMMON_ORIGIN, Relation.IDENTICAL}


def model(folder: Path, seed: int, *, base: int | None = None, folded: bool = False) -> Path:
    """A random Llama of 14 layers; with a base, that one with a tenth of noise; folded, without the layers' gains."""
    own, first = np.random.default_rng(seed), np.random.default_rng(base)
    tensors = {}
    for name, shape in llama_shapes(**SIZES).items():
        values = own.standard_normal(shape)
        if base is not None:
            values = first.standard_normal(shape) + 0.1 * values
        gain = 1 + (0.0 if folded and "layers" in name else 0.1) * values
        tensors[name] = (values if len(shape) > 1 else gain).astype(np.float32)
    return write_values(folder / str(seed), tensors)


def taken(path: Path, grade: Grade) -> Fingerprint:
    with open_model(path) as checkpoint:
        return take_fingerprint(checkpoint, whole=False, grade=grade)


def test_what_the_smaller_one_holds_is_in_the_larger_one(tmp_path: Path) -> None:
    path = model(tmp_path, 1)
    scan, full = taken(path, Grade.SCAN), taken(path, Grade.FULL)
    assert scan.inventory == full.inventory
    assert scan.seen.keys() < full.seen.keys()
    assert all(full.seen[name] == seen for name, seen in scan.seen.items())
    for key, one in scan.axis_of.items():
        other = full.axis_of[key]
        assert (one.faced, one.folded, one.order) == (other.faced, other.folded, other.order)
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.values, other.values)
    assert {name for name, _ in scan.axis_of if ".layers." in name and "down" in name} == {
        f"model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 6, 13)
    }


@pytest.mark.parametrize("grades", [(Grade.SCAN, Grade.FULL), (Grade.FULL, Grade.SCAN), (Grade.SCAN, Grade.SCAN)])
def test_grades_are_tested_against_each_other(tmp_path: Path, grades: tuple[Grade, Grade]) -> None:
    paths = {"base": model(tmp_path, 1), "child": model(tmp_path, 2, base=1), "stranger": model(tmp_path, 3)}

    def printed(name: str, grade: Grade) -> Path:
        path = tmp_path / f"{name}-{grade}.safetensors"
        path.write_bytes(fingerprint(paths[name], whole=False, grade=grade)[0])
        return path

    left = printed("base", grades[0])
    assert compare(left, printed("child", grades[1])).verdict.relation is Relation.DERIVED
    stranger = compare(left, printed("stranger", grades[1])).verdict
    assert stranger.relation not in RELATED
    assert compare(left, paths["child"]).verdict.relation is Relation.DERIVED


@pytest.mark.parametrize("grade", list(Grade))
def test_layers_that_one_grade_leaves_out_cast_no_doubt_and_folded_gains_do(tmp_path: Path, grade: Grade) -> None:
    nowhere = Origin(reference="", path=Path(), format="fingerprint", shards=())
    base = printed(taken(model(tmp_path, 1), grade), nowhere)
    for seed, folded in ((2, False), (3, True)):
        other = printed(taken(model(tmp_path, seed, folded=folded), Grade.FULL), nowhere)
        found = doubt(pair_parts(base.side.anatomy, other.side.anatomy), base, other)
        assert ("constant" in found) is folded
