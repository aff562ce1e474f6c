"""GPTQ and AWQ: packed weights are read as the floats they stand for, and what does not fit is one tensor's fault."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from fingerprints.checkpoint import Checkpoint, Encoding
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint
from tests.checkpoints import write_values
from tests.packing import awq, gptq, in_order, named

PLAIN = {"norm.weight": np.ones(4, dtype=np.float32)}


def weight(outputs: int, inputs: int, seed: int = 0) -> np.ndarray:
    return (0.02 * np.random.default_rng(seed).standard_normal((outputs, inputs))).astype(np.float32)


def opened(folder: Path, parts: dict[str, np.ndarray], **claims: object) -> Checkpoint:
    if claims:
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"quantization_config": claims}))
    return open_checkpoint(write_values(folder, PLAIN | named(parts)))


def whole(checkpoint: Checkpoint, name: str = "x.weight") -> np.ndarray:
    return checkpoint.rows(name, 0, checkpoint.tensors[name].shape[0])


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("reordered", [False, True])
def test_gptq_is_read_as_floats(tmp_path: Path, bits: int, reordered: bool) -> None:
    group = in_order(96, 32)
    if reordered:
        group = np.random.default_rng(1).permutation(group)
    parts, expected = gptq(weight(64, 96), bits, group)
    stored = sum(values.nbytes for values in parts.values())
    checkpoint = opened(tmp_path, parts)
    assert list(checkpoint.tensors) == ["norm.weight", "x.weight"]
    info = checkpoint.tensors["x.weight"]
    assert (info.shape, info.dtype, info.nbytes) == ((64, 96), "F32", stored)
    assert info.encoding == Encoding(scheme="gptq", bits=bits, group_size=32)
    assert np.array_equal(whole(checkpoint), expected)
    assert checkpoint.bytes_read == stored
    some = [0, 5, 31, 32, 63]
    assert np.array_equal(checkpoint.take("x.weight", some), expected[some])
    assert np.array_equal(np.concatenate(list(checkpoint.blocks("x.weight", max_bytes=999))), expected.reshape(-1))
    assert checkpoint.take("x.weight", []).shape == (0, 96)
    assert [finding.code for finding in checkpoint.origin.findings] == ["packed"]


@pytest.mark.parametrize(("inputs", "width", "claims"), [(96, 32, {}), (224, 128, {}), (96, 48, {"group_size": 48})])
def test_groups_are_in_order_without_g_idx(tmp_path: Path, inputs: int, width: int, claims: dict) -> None:
    parts, expected = gptq(weight(64, inputs), 4, in_order(inputs, width))
    del parts["g_idx"]
    checkpoint = opened(tmp_path, parts, **claims)
    assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="gptq", bits=4, group_size=width)
    assert np.array_equal(whole(checkpoint), expected)


def test_one_group_is_no_group(tmp_path: Path) -> None:
    parts, expected = gptq(weight(64, 96), 4, in_order(96, 96))
    checkpoint = opened(tmp_path, parts, group_size=-1)
    assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="gptq", bits=4)
    assert np.array_equal(whole(checkpoint), expected)


def test_zero_points_are_what_the_format_says(tmp_path: Path) -> None:
    parts, expected = gptq(weight(64, 96), 4, in_order(96, 32), less=0)
    assert np.array_equal(whole(opened(tmp_path / "new", parts, checkpoint_format="gptq_v2")), expected)
    steps = np.repeat(parts["scales"].T.astype(np.float32), 32, axis=1)
    raised = whole(opened(tmp_path / "old", parts, checkpoint_format="gptq"))
    most = parts["qzeros"].view(np.uint8)
    assert not ((most & 15) == 15).any(), "a zero point of 15 would wrap around"
    assert not ((most >> 4) == 15).any(), "a zero point of 15 would wrap around"
    assert np.allclose(expected - raised, steps, atol=1e-6)


def test_zero_point_of_nothing_wraps_around(tmp_path: Path) -> None:
    parts, expected = gptq(np.abs(weight(64, 96)), 3, in_order(96, 32))
    assert (parts["qzeros"] == -1).all(), "zero points of 0, less one, are all ones"
    assert np.array_equal(whole(opened(tmp_path, parts)), expected)


def test_three_bits_straddle_words_as_in_autogptq(tmp_path: Path) -> None:
    """Three words that `QuantLinear.pack` of AutoGPTQ 0.7.1 made of these codes."""
    codes = [0, 5, 2, 7, 4, 1, 6, 3, 1, 6, 3, 0, 5, 2, 7, 4, 2, 7, 4, 1, 6, 3, 0, 5, 3, 0, 5, 2, 7, 4, 1, 6]
    column = np.array([[-243741016], [-482697904], [-965393503]], dtype=np.int32)
    parts = {
        "qweight": np.repeat(column, 32, axis=1),
        "qzeros": np.zeros((1, 3), dtype=np.int32),
        "scales": np.ones((1, 32), dtype=np.float16),
    }
    assert (whole(opened(tmp_path, parts)) == np.array(codes) - 1).all()


def test_awq_is_read_as_floats(tmp_path: Path) -> None:
    parts, expected = awq(weight(64, 96), in_order(96, 32))
    checkpoint = opened(tmp_path, parts)
    info = checkpoint.tensors["x.weight"]
    assert info.shape == (64, 96)
    assert info.encoding == Encoding(scheme="awq", bits=4, group_size=32)
    assert np.array_equal(whole(checkpoint), expected)
    some = [0, 3, 8, 33, 62]
    assert np.array_equal(checkpoint.take("x.weight", some), expected[some])


def test_awq_interleaves_the_outputs_of_a_word(tmp_path: Path) -> None:
    word = np.array([[0x75316420]], dtype=np.int32)
    parts = {"qweight": word, "qzeros": np.zeros((1, 1), np.int32), "scales": np.ones((1, 8), np.float16)}
    assert whole(opened(tmp_path, parts)).tolist() == [[0], [1], [2], [3], [4], [5], [6], [7]]


def test_rows_of_a_large_weight_cost_little_memory(tmp_path: Path) -> None:
    words = np.random.default_rng(0).integers(-(2**31), 2**31, (1 << 11, 1 << 12), dtype=np.int64).astype(np.int32)
    parts = {
        "qweight": words,
        "qzeros": np.zeros((128, 1 << 9), dtype=np.int32),
        "scales": np.ones((128, 1 << 12), dtype=np.float16),
    }
    checkpoint = opened(tmp_path, parts)
    tracemalloc.start()
    rows = checkpoint.take("x.weight", [0, 17, 4095])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.shape == (3, 1 << 14)
    assert peak < words.nbytes / 2, "the packed tensor is read in pieces"
    assert checkpoint.bytes_read == sum(values.nbytes for values in parts.values())


SOUND = gptq(weight(64, 96), 4, in_order(96, 32))[0]
SOUND_AWQ = awq(weight(64, 96), in_order(96, 32))[0]
NARROW = {"scales": SOUND["scales"][:, :63]}
BROKEN = {
    "scales of other outputs": (SOUND | NARROW, "its scales (3, 63)"),
    "scales of other groups": (SOUND | {"scales": SOUND["scales"][:2]}, "its scales (2, 64)"),
    "scales of integers": (SOUND | {"scales": SOUND["scales"].astype(np.int32)}, "its scales is I32"),
    "scales with one axis": (SOUND | {"scales": SOUND["scales"][0]}, "its scales is F16 of shape (64,)"),
    "codes that are floats": (SOUND | {"qweight": SOUND["qweight"].astype(np.float32)}, "its qweight is F32"),
    "zero points of 5 bits": (SOUND | {"qzeros": np.zeros((3, 10), np.int32)}, "no number of bits"),
    "an order of other inputs": (SOUND | {"g_idx": np.zeros(88, np.int32)}, "no number of bits"),
    "an order of floats": (SOUND | {"g_idx": np.zeros(96, np.float32)}, "its g_idx is F32"),
    "an order beyond the groups": (SOUND | {"g_idx": np.full(96, 3, np.int32)}, "groups from 3 to 3, of 3"),
    "an order below zero": (SOUND | {"g_idx": np.full(96, -1, np.int32)}, "groups from -1 to -1, of 3"),
    "no groups": (
        SOUND | {"scales": SOUND["scales"][:0], "qzeros": SOUND["qzeros"][:0]},
        "its scales (0, 64)",
    ),
    "more groups than inputs": (
        {"qweight": SOUND["qweight"], "qzeros": np.zeros((97, 8), np.int32), "scales": np.ones((97, 64), np.float16)},
        "97 groups do not fit 96 inputs",
    ),
    "awq with scales of other outputs": (
        SOUND_AWQ | {"scales": SOUND_AWQ["scales"][:, :56]},
        "its scales (3, 56)",
    ),
    "awq with other groups": (SOUND_AWQ | {"scales": SOUND_AWQ["scales"][:2]}, "its scales (2, 64)"),
    "awq of floats": (SOUND_AWQ | {"qweight": SOUND_AWQ["qweight"].astype(np.float32)}, "its qweight is F32"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_one_tensors_fault(tmp_path: Path, case: str) -> None:
    parts, message = BROKEN[case]
    checkpoint = opened(tmp_path, parts)
    assert list(checkpoint.tensors) == ["norm.weight", "x.weight"]
    with pytest.raises(UnreadableTensor) as caught:
        whole(checkpoint)
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.path == tmp_path / "model.safetensors"
    assert np.array_equal(whole(checkpoint, "norm.weight"), PLAIN["norm.weight"])


def test_layout_of_awq_that_is_not_read_is_refused(tmp_path: Path) -> None:
    parts = {
        "qweight": np.zeros((64, 12), np.int32),
        "qzeros": np.zeros((64, 1), np.int32),
        "scales": np.ones((64, 8), np.float16),
    }
    with pytest.raises(UnreadableTensor, match="only the gemm layout"):
        whole(opened(tmp_path, parts, quant_method="awq", version="gemv"))


def test_three_bits_in_planes_are_refused(tmp_path: Path) -> None:
    parts, _ = gptq(weight(64, 96), 3, in_order(96, 32))
    with pytest.raises(UnreadableTensor, match="planes"):
        whole(opened(tmp_path, parts, checkpoint_format="gptq_p"))


@pytest.mark.parametrize("lacking", ["scales", "qzeros", "qweight"])
def test_incomplete_weight_stays_as_it_is_stored(tmp_path: Path, lacking: str) -> None:
    parts = {name: values for name, values in SOUND.items() if name != lacking}
    checkpoint = opened(tmp_path, parts)
    assert set(checkpoint.tensors) == {"norm.weight", *named(parts)}
    assert checkpoint.origin.findings == ()


def test_a_float_weight_beside_the_packed_one_is_not_replaced(tmp_path: Path) -> None:
    checkpoint = opened(tmp_path, SOUND | {"weight": weight(64, 96)})
    assert np.array_equal(whole(checkpoint), weight(64, 96))
    assert "x.qweight" in checkpoint.tensors


def test_packed_weights_may_lie_in_a_pickle(tmp_path: Path) -> None:
    parts, expected = gptq(weight(64, 96), 4, in_order(96, 32))
    torch.save({name: torch.from_numpy(values) for name, values in named(parts).items()}, tmp_path / "weights.bin")
    assert np.array_equal(whole(open_checkpoint(tmp_path / "weights.bin")), expected)


@pytest.mark.parametrize("scale", [np.inf, np.nan])
def test_steps_that_are_not_finite_pass_through(tmp_path: Path, scale: float) -> None:
    rows = whole(opened(tmp_path, SOUND | {"scales": np.full_like(SOUND["scales"], scale)}))
    assert not np.isfinite(rows).any()
