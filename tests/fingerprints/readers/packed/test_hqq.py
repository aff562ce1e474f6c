"""HQQ: packed weights are read as the floats they stand for, and what does not fit is one tensor's fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fingerprints.checkpoint import Encoding
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint
from provenance import Relation, compare
from tests.checkpoints import llama_shapes, write_values
from tests.fingerprints.readers.packed.hqq_packing import golden
from tests.in_memory import gaussian
from tests.packing import Arrays, hqq, named

GOLDEN = Path(__file__).parent / "golden"
CASES = [(bits, axis) for bits in (1, 2, 3, 4, 8) for axis in (0, 1)]


def weight(outputs: int, inputs: int, seed: int = 0) -> np.ndarray:
    return (0.02 * np.random.default_rng(seed).standard_normal((outputs, inputs))).astype(np.float32)


@pytest.mark.parametrize(("bits", "axis"), CASES)
def test_weights_decode_to_what_the_library_says(bits: int, axis: int) -> None:
    name = f"bits{bits}axis{axis}.weight"
    expected = load_file(GOLDEN / "hqq-decoded.safetensors")[name]
    with open_checkpoint(GOLDEN / "hqq.safetensors") as checkpoint:
        assert set(checkpoint.tensors) == {f"bits{b}axis{a}.{n}" for b, a in CASES for n in ("weight", "bias")}
        info = checkpoint.tensors[name]
        assert (info.shape, info.encoding) == (expected.shape, Encoding(scheme="hqq", bits=bits, group_size=32))
        np.testing.assert_array_equal(checkpoint.rows(name, 0, len(expected)), expected)


@pytest.mark.parametrize(("bits", "axis"), CASES)
@pytest.mark.parametrize("shape", [(64, 96), (40, 64), (160, 16)])
def test_any_rows_are_read_as_floats(bits: int, axis: int, shape: tuple[int, int], tmp_path: Path) -> None:
    parts, expected = hqq(weight(*shape), bits, 32, axis)
    with open_checkpoint(write_values(tmp_path, named(parts))) as checkpoint:
        assert list(checkpoint.tensors) == ["x.weight"]
        info = checkpoint.tensors["x.weight"]
        assert info.nbytes == sum(values.nbytes for values in parts.values())
        assert np.array_equal(checkpoint.rows("x.weight", 0, shape[0]), expected)
        some = [0, 5, 7, shape[0] - 1]
        assert np.array_equal(checkpoint.take("x.weight", some), expected[some])
        assert np.array_equal(np.concatenate(list(checkpoint.blocks("x.weight", 999))), expected.reshape(-1))
        assert checkpoint.take("x.weight", []).shape == (0, shape[1])


def test_a_row_of_groups_along_rows_costs_its_groups(tmp_path: Path) -> None:
    parts, _ = hqq(weight(64, 128), 4, 64, 1)
    with open_checkpoint(write_values(tmp_path, named(parts))) as checkpoint:
        before = checkpoint.bytes_read
        checkpoint.take("x.weight", [9])
        assert checkpoint.bytes_read - before == 2 * 64 + 2 * 2 * 2


def test_steps_of_the_whole_weight_and_bits_without_a_name(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (6, 10), dtype=np.uint8)
    parts: Arrays = {"W_q": codes, "shape": np.array([6, 10]), "nbits": np.array(8, np.int32)}
    parts |= {"scale": np.array(0.5, np.float32), "zero": np.array(3, np.float32)}
    with open_checkpoint(write_values(tmp_path, named(parts))) as checkpoint:
        assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="hqq", bits=8)
        assert np.array_equal(checkpoint.rows("x.weight", 0, 6), (codes.astype(np.float32) - 3) * np.float32(0.5))


HOSTILE: dict[str, tuple[Arrays, str]] = {
    "no-zero": ({"zero": np.zeros(0)}, "zero is missing"),
    "scale-of-another-shape": ({"scale": np.ones((191, 1), np.float16)}, "scale is F16"),
    "zero-of-integers": ({"zero": np.ones((192, 1), np.int32)}, "zero is I32"),
    "scale-turned": ({"scale": np.ones((1, 192), np.float16)}, "scale is F16"),
    "more-inputs": ({"shape": np.array([64, 97])}, "does not hold 6208 codes"),
    "fewer-outputs": ({"shape": np.array([32, 96])}, "does not hold 3072 codes"),
    "no-outputs": ({"shape": np.array([0, 96])}, "not two lengths"),
    "negative": ({"shape": np.array([-64, -96])}, "not two lengths"),
    "huge": ({"shape": np.array([1 << 62, 1 << 62])}, "not two lengths"),
    "three-lengths": ({"shape": np.array([64, 96, 1])}, "not two lengths"),
    "shape-of-floats": ({"shape": np.array([64.0, 96.0])}, "not two lengths"),
    "another-packing": ({"packing": np.frombuffer(b"2bit_u8", np.uint8)}, "does not hold"),
    "wide-packing": ({"packing": np.frombuffer(b"3bit_32", np.uint8)}, "not a matrix of I32"),
    "unknown-packing": ({"packing": np.frombuffer(b"7bit_u8", np.uint8)}, "name none that is read"),
    "long-packing": ({"packing": np.zeros(1 << 20, np.uint8)}, "name none that is read"),
    "codes-of-floats": ({"W_q": np.ones((96, 32), np.float16)}, "not a matrix of U8"),
    "codes-of-rank-3": ({"W_q": np.ones((96, 16, 2), np.uint8)}, "not a matrix of U8"),
    "no-codes": ({"W_q": np.ones((96, 0), np.uint8)}, "not a matrix of U8"),
}


@pytest.mark.parametrize("case", list(HOSTILE))
def test_parts_that_do_not_fit_are_one_tensors_fault(case: str, tmp_path: Path) -> None:
    changed, message = HOSTILE[case]
    good, expected = hqq(weight(64, 96), 4, 32, 1)
    parts = {name: values for name, values in (good | changed).items() if case != "no-zero" or name != "zero"}
    with open_checkpoint(write_values(tmp_path, named(parts) | named(good, "y."))) as checkpoint:
        assert set(checkpoint.tensors) == {"x.weight", "y.weight"}
        with pytest.raises(UnreadableTensor, match=message):
            checkpoint.rows("x.weight", 0, 1)
        assert np.array_equal(checkpoint.rows("y.weight", 0, 64), expected)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_original_is_found_and_another_is_not(axis: int, tmp_path: Path) -> None:
    shapes = llama_shapes(layers=2, hidden=96, mlp=224, heads=4, kv_heads=2, vocabulary=192)
    values = gaussian(shapes, seed=1)
    stored: Arrays = {}
    for name, tensor in values.items():
        if "_proj." in name:
            stored |= named(hqq(np.asarray(tensor), 4, 32, axis)[0], name.removesuffix("weight"))
        else:
            stored[name] = np.asarray(tensor)
    packed = write_values(tmp_path / "packed", stored)
    report = compare(write_values(tmp_path / "original", values), packed)
    assert report.verdict.relation is Relation.DERIVED
    kind = next(kind for kind in report.verdict.kinds if kind.kind == "quantised")
    assert kind.parameters == {"bits": 4, "group_size": 32, "scheme": "hqq", "side": "b"}
    other = write_values(tmp_path / "other", gaussian(shapes, seed=2))
    assert compare(other, packed).verdict.relation is Relation.INDEPENDENT


def test_the_golden_files_are_what_the_library_writes() -> None:
    library = pytest.importorskip("hqq.core.quantize", reason="the reference library is not installed")
    for written, file in zip(golden(library), ("hqq", "hqq-decoded"), strict=True):
        kept = load_file(GOLDEN / f"{file}.safetensors")
        assert kept.keys() == written.keys()
        for name, values in written.items():
            np.testing.assert_array_equal(kept[name], values.numpy(), err_msg=name)
