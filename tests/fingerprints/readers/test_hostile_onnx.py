"""Every way in which an ONNX file can be wrong gives one error, with numbers and a hint, and costs little."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fingerprints.errors import CheckpointError, CorruptCheckpoint, LimitExceeded, NotACheckpoint, UnreadableTensor
from fingerprints.readers import onnx_model, onnx_wire, open_checkpoint
from tests.onnx_files import (
    attribute,
    constant,
    external,
    graph,
    message,
    model,
    node,
    number,
    raw_tensor,
    tensor,
    text,
    varint,
)

GOOD = np.arange(60, dtype=np.float32).reshape(6, 10) ** 1.5


def nested(depth: int) -> bytes:
    inner = graph([], [tensor("w", GOOD)])
    for _ in range(depth):
        inner = graph([node("If", ["c"], ["y"], attribute("then_branch", inner, 6))], [])
    return model(inner)


BROKEN: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "no graph": (number(1, 8) + text(2, "pytorch"), NotACheckpoint, "0 tensors in 0 graphs"),
    "an empty graph": (model(graph([], [])), NotACheckpoint, "0 tensors in 1 graphs"),
    "a varint of 11 bytes": (b"\x08" + b"\xff" * 10 + b"\x01", CorruptCheckpoint, "more than 10 bytes"),
    "a varint cut short": (b"\x08\xff\xff", CorruptCheckpoint, "after 2 bytes of it"),
    "a graph of exabytes": (b"\x08\x08" + varint(7 << 3 | 2) + varint(1 << 62), CorruptCheckpoint, str(1 << 62)),
    "a length of 2^64 - 1": (b"\x08\x08" + varint(7 << 3 | 2) + varint(-1), CorruptCheckpoint, "0 follow"),
    "a field of number 0": (b"\x00\x01", CorruptCheckpoint, "field number 0"),
    "a group": (b"\x0b\x0c", CorruptCheckpoint, "wire type 3"),
    "a graph that is an integer": (number(1, 8) + number(7, 5), CorruptCheckpoint, "no message"),
    "a name that is an integer": (model(message(5, number(8, 3))), CorruptCheckpoint, "not text"),
    "a tensor longer than its graph": (model(varint(5 << 3 | 2) + varint(99) + b"ab"), CorruptCheckpoint, "99 bytes"),
    "an initialiser twice": (model(graph([], [tensor("w", GOOD)] * 2)), CorruptCheckpoint, "'w' occurs twice"),
    "a long name": (model(graph([], [tensor("w" * 70_000, GOOD)])), LimitExceeded, "65536"),
    "graphs 1000 deep": (nested(1000), LimitExceeded, "32 deep"),
    "external data outside": (
        model(graph([], [external("w", (6, 10), 1, location="../w.bin")])),
        CorruptCheckpoint,
        "outside of it",
    ),
    "external data at the root": (
        model(graph([], [external("w", (6, 10), 1, location="/etc/passwd")])),
        CorruptCheckpoint,
        "outside of it",
    ),
    "external data nowhere": (model(graph([], [external("w", (6, 10), 1)])), CorruptCheckpoint, "outside of it"),
    "external data that is missing": (
        model(graph([], [external("w", (6, 10), 1, location="w.bin")])),
        CorruptCheckpoint,
        "keeps its weights in 'w.bin'",
    ),
    "only text": (b"hello, world", CorruptCheckpoint, "not a readable ONNX model"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused(tmp_path: Path, case: str) -> None:
    content, kind, fragment = BROKEN[case]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert type(caught.value) is kind
    assert fragment in caught.value.message
    assert caught.value.hint


FAULTY: dict[str, tuple[bytes, str]] = {
    "too little data": (raw_tensor("bad", (6, 10), 1, message(9, bytes(239))), "takes 240 bytes, and 239 are there"),
    "no data": (raw_tensor("bad", (6, 10), 1), "takes 240 bytes, and 0 are there"),
    "a negative length": (raw_tensor("bad", (-6, 10), 1, message(9, bytes(240))), "negative length"),
    "lengths that overflow": (raw_tensor("bad", (1 << 40, 1 << 40), 1, message(9, bytes(8))), "more than"),
    "nine axes": (raw_tensor("bad", (1,) * 9, 1, message(9, bytes(4))), "more than 8 axes"),
    "an unknown type": (raw_tensor("bad", (4,), 99, message(9, bytes(4))), "number 99"),
    "a segment": (raw_tensor("bad", (1,), 1, message(3, number(1, 0)), message(9, bytes(4))), "a segment"),
    "two pieces": (raw_tensor("bad", (2,), 1, message(4, bytes(4)), message(4, bytes(4))), "more than one piece"),
    "the wrong field": (raw_tensor("bad", (2,), 1, message(10, bytes(8))), "field 10"),
    "too few varints": (raw_tensor("bad", (600,), 7, message(7, bytes(60))), "cannot be in the 60 bytes"),
    "too many varints": (raw_tensor("bad", (6,), 7, message(7, bytes(60))), "60 of 6 elements"),
    "endless varints": (raw_tensor("bad", (6,), 7, message(7, b"\xff" * 60)), "0 of 6 elements"),
    "an unfinished varint": (raw_tensor("bad", (2,), 7, message(7, b"\x01\xff")), "1 of 2 elements"),
    "external data past the end": (
        external("bad", (6, 10), 1, location="w.bin", offset="200", length="240"),
        "has 300 bytes",
    ),
    "external data after the end": (external("bad", (6, 10), 1, location="w.bin", offset="9" * 18), "has 300 bytes"),
    "external data of a negative length": (external("bad", (6, 10), 1, location="w.bin", length="-240"), "'-240'"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_one_bad_tensor_leaves_the_others_readable(tmp_path: Path, case: str) -> None:
    content, fragment = FAULTY[case]
    path = tmp_path / "model.onnx"
    (tmp_path / "w.bin").write_bytes(bytes(300))
    nodes = [node("MatMul", ["x", "bad"], ["y"]), node("LSTM", ["x", "bad", "bad", "bad"], ["z"])]
    path.write_bytes(model(graph(nodes, [content, tensor("good", GOOD)])))
    checkpoint = open_checkpoint(path)
    assert checkpoint.rows("good", 0, 6).tolist() == GOOD.tolist()
    with pytest.raises(UnreadableTensor) as caught:
        list(checkpoint.blocks("bad"))
    assert fragment in caught.value.message
    assert caught.value.hint


QUANTISED: dict[str, tuple[list[bytes], list[bytes]]] = {
    "a scale that does not fit": (
        [node("DequantizeLinear", ["bad_q", "s"], ["d"])],
        [tensor("s", np.ones(7, dtype=np.float32))],
    ),
    "an axis that is not there": (
        [node("DequantizeLinear", ["bad_q", "s"], ["d"], attribute("axis", 9))],
        [tensor("s", np.ones(10, dtype=np.float32))],
    ),
    "a scale of integers": (
        [node("DequantizeLinear", ["bad_q", "s"], ["d"])],
        [tensor("s", np.ones(10, dtype=np.int64))],
    ),
    "a scale without data": (
        [node("DequantizeLinear", ["bad_q", "s"], ["d"])],
        [raw_tensor("s", (10,), 1)],
    ),
    "a zero point that does not fit": (
        [node("DequantizeLinear", ["bad_q", "s", "z"], ["d"])],
        [tensor("s", np.ones(10, dtype=np.float32)), tensor("z", np.ones(11, dtype=np.int8))],
    ),
    "blocks of a huge size": (
        [node("DequantizeLinear", ["bad_q", "s"], ["d"], attribute("axis", 0), attribute("block_size", 1 << 60))],
        [tensor("s", np.ones((2, 10), dtype=np.float32))],
    ),
    "blocks of nothing": (
        [node("MatMulNBits", ["x", "bad_q", "s"], ["d"], domain="com.microsoft")],
        [tensor("s", np.ones(10, dtype=np.float32))],
    ),
    "blocks that end inside of bytes": (
        [
            node(
                "MatMulNBits",
                ["x", "bad_q", "s"],
                ["d"],
                *(attribute(key, size) for key, size in {"N": 40, "K": 3, "block_size": 3}.items()),
                domain="com.microsoft",
            )
        ],
        [tensor("s", np.ones(40, dtype=np.float32))],
    ),
    "blocks of too much": (
        [
            node(
                "MatMulNBits",
                ["x", "bad_q", "s"],
                ["d"],
                *(attribute(key, 1 << 60) for key in ("N", "K", "block_size")),
                domain="com.microsoft",
            )
        ],
        [tensor("s", np.ones(10, dtype=np.float32))],
    ),
}


@pytest.mark.parametrize("case", QUANTISED)
def test_a_contradictory_quantisation_is_one_bad_tensor(tmp_path: Path, case: str) -> None:
    nodes, tensors = QUANTISED[case]
    path = tmp_path / "model.onnx"
    codes = tensor("bad_q", np.arange(60, dtype=np.uint8).reshape(6, 10))
    path.write_bytes(model(graph(nodes, [codes, *tensors, tensor("good", GOOD)])))
    checkpoint = open_checkpoint(path)
    assert checkpoint.rows("good", 0, 6).tolist() == GOOD.tolist()
    with pytest.raises(UnreadableTensor):
        checkpoint.rows("bad", 0, 1)


def small() -> bytes:
    nodes = [
        node("DequantizeLinear", ["w_q", "s"], ["d"], attribute("axis", 1)),
        node("MatMul", ["x", "d"], ["y"]),
        node("If", ["c"], ["y"], attribute("then_branch", graph([constant("k", tensor("k", GOOD))], []), 6)),
    ]
    codes = np.arange(60, dtype=np.int8).reshape(6, 10)
    return model(graph(nodes, [tensor("w_q", codes), tensor("s", np.ones(10, dtype=np.float32))]))


def readable(path: Path) -> bool:
    """Whether the model can be opened and every small tensor of it read; anything but one of our errors escapes."""
    try:
        checkpoint = open_checkpoint(path)
        for name, info in checkpoint.tensors.items():
            if info.size < 1 << 20:
                list(checkpoint.blocks(name))
    except CheckpointError:
        return False
    return True


def test_truncated_anywhere(tmp_path: Path) -> None:
    content = small()
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert readable(path)
    for length in range(1, len(content)):
        path.write_bytes(content[:length])
        # Only the fields after the graph may be missing without a trace.
        assert not readable(path) or length == len(content) - 4


def test_any_byte_changed(tmp_path: Path) -> None:
    content = small()
    path = tmp_path / "model.onnx"
    rng = np.random.default_rng(3)
    outcomes = []
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        outcomes.append(readable(path))
    assert set(outcomes) == {True, False}


def test_a_great_many_items_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_model, "MAX_ITEMS", 1000)
    path = tmp_path / "model.onnx"
    path.write_bytes(model(message(1, b"") * 1001))
    with pytest.raises(LimitExceeded, match="1000 nodes and tensors"):
        open_checkpoint(path)
    monkeypatch.setattr(onnx_wire, "MAX_FIELDS", 1000)
    path.write_bytes(model(graph([], [raw_tensor("w", (1,) * 1001, 1)])))
    with pytest.raises(LimitExceeded, match="1000 fields"):
        open_checkpoint(path)


def test_large_data_is_not_held(tmp_path: Path) -> None:
    rows, columns = 3000, 2000
    path = tmp_path / "model.onnx"
    content = tensor("w", np.arange(rows * columns, dtype=np.float32).reshape(rows, columns))
    path.write_bytes(model(graph([node("MatMul", ["x", "w"], ["y"])], [content])))
    del content
    tracemalloc.start()
    with open_checkpoint(path) as checkpoint:
        found = checkpoint.take("w", [7, 1500])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[:, 1].tolist() == [columns + 7.0, columns + 1500.0]
    assert peak < 9 << 20 < 4 * rows * columns
