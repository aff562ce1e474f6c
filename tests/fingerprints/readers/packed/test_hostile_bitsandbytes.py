"""States and parts of bitsandbytes weights that lie, are missing or do not fit spoil one tensor each, cheaply."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint

PACKED = Path(__file__).parent / "golden" / "bitsandbytes.safetensors"
NESTED = "nested.weight"
STATE = f"{NESTED}.quant_state.bitsandbytes__nf4"
Tensors = dict[str, torch.Tensor]


def text(data: bytes) -> torch.Tensor:
    return torch.tensor(list(data), dtype=torch.uint8)


def state(**changes: object) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        document = json.loads(bytes(tensors[STATE].tolist())) | changes
        kept = {key: value for key, value in document.items() if value is not None}
        tensors[STATE] = text(json.dumps(kept).encode())

    return change


def part(name: str, value: torch.Tensor | None) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        del tensors[name]
        if value is not None:
            tensors[name] = value

    return change


FAULTS = {
    "not JSON": (part(STATE, text(b'{"shape": [5,')), "not usable JSON"),
    "not text": (part(STATE, text(b"\xff\xfe")), "not UTF-8"),
    "no object": (part(STATE, text(b"[1]")), "not an object"),
    "a key twice": (part(STATE, text(b'{"a": 1, "a": 2}')), "more than once"),
    "deep": (part(STATE, text(b"[" * 60_000)), "nested too deeply"),
    "huge": (part(STATE, torch.zeros(70_000, dtype=torch.uint8)), "not U8 of 1 to 65536"),
    "empty": (part(STATE, torch.zeros(0, dtype=torch.uint8)), "not U8 of 1 to 65536"),
    "state of floats": (part(STATE, torch.zeros(9)), "quant_state is F32"),
    "a trillion": (state(shape=[10**6, 10**6]), r"claims the shape \[1000000, 1000000\], but 83 bytes"),
    "beyond": (state(shape=[10**300]), "no shape of 1 to 8 lengths"),
    "negative": (state(shape=[-5, -33]), "no shape"),
    "no shape": (state(shape=None), "no shape"),
    "rank": (state(shape=[1] * 9), "no shape"),
    "shape of text": (state(shape="5x33"), "no shape"),
    "blocksize 0": (state(blocksize=0), "no blocksize"),
    "blocksize true": (state(blocksize=True), "no blocksize"),
    "blocksize 16": (state(blocksize=16), r"absmax is U8 of shape \[3\], and should be U8 of \[11\]"),
    "nested blocksize 0": (state(nested_blocksize=0), "no nested_blocksize"),
    "nested blocksize 1": (state(nested_blocksize=1), r"nested_absmax is F32 of shape \[1\]"),
    "no offset": (state(nested_offset=None), "no nested_offset"),
    "offset of text": (state(nested_offset="1"), "no nested_offset"),
    "offset beyond": (state(nested_offset=10**400), "no nested_offset"),
    "not nested": (state(nested_offset=None, nested_blocksize=None), "absmax is U8"),
    "no absmax": (part(f"{NESTED}.absmax", None), "its absmax is missing"),
    "long absmax": (part(f"{NESTED}.absmax", torch.zeros(4, dtype=torch.uint8)), r"absmax is U8 of shape \[4\]"),
    "no quant_map": (part(f"{NESTED}.quant_map", None), "its quant_map is missing"),
    "short quant_map": (part(f"{NESTED}.quant_map", torch.zeros(15)), r"quant_map is F32 of shape \[15\]"),
    "no nested_absmax": (part(f"{NESTED}.nested_absmax", None), "its nested_absmax is missing"),
    "short nested map": (part(f"{NESTED}.nested_quant_map", torch.zeros(255)), r"should be F32 of \[256\]"),
    "weight in a row": (part(NESTED, torch.zeros((1, 83), dtype=torch.uint8)), r"shape \[1, 83\], not \[83, 1\]"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_weight_is_spoilt(tmp_path: Path, fault: str) -> None:
    change, reason = FAULTS[fault]
    tensors = load_file(PACKED)
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    tracemalloc.start()
    with open_checkpoint(tmp_path) as checkpoint:
        assert {"plain.weight", "halves.weight", "integers.weight", NESTED} == set(checkpoint.tensors)
        with pytest.raises(UnreadableTensor, match=reason) as caught:
            checkpoint.rows(NESTED, 0, 1)
        assert caught.value.tensor == NESTED
        assert caught.value.hint
        assert np.isfinite(checkpoint.rows("plain.weight", 0, 6)).all()
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("integers.SCB", torch.ones(3), r"scales are F32 of shape \[3\], not F32 of \[4\]"),
        ("integers.SCB", torch.ones(4, dtype=torch.int32), "scales are I32"),
        ("integers.weight_format", torch.tensor(2, dtype=torch.uint8), "weight_format is 2"),
        ("integers.weight_format", torch.zeros(2, dtype=torch.uint8), "not one U8"),
    ],
)
def test_integers_need_a_scale_a_row(tmp_path: Path, name: str, value: torch.Tensor, reason: str) -> None:
    save_file(load_file(PACKED) | {name: value}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint, pytest.raises(UnreadableTensor, match=reason):
        checkpoint.rows("integers.weight", 0, 1)


def test_an_integer_without_axes_is_one_row(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.tensor(-127, dtype=torch.int8), "a.SCB": torch.ones((1, 1, 1)) / 2}
    save_file(tensors, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.rows("a.weight", 0, 1).tolist() == [-0.5]


def test_scales_that_are_no_numbers_give_values_that_are_none(tmp_path: Path) -> None:
    scales = torch.tensor([1.0, torch.nan, 1, torch.inf])
    save_file(load_file(PACKED) | {"integers.SCB": scales}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        rows = checkpoint.rows("integers.weight", 0, 4)
        assert np.isfinite(rows).all(axis=1).tolist() == [True, False, True, False]


def test_a_state_without_its_weight_is_left_alone(tmp_path: Path) -> None:
    tensors = load_file(PACKED)
    del tensors[NESTED]
    save_file(tensors, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        assert NESTED not in checkpoint.tensors
        assert STATE in checkpoint.tensors
