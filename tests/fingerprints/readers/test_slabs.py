"""Rows inside one expert of a stack cost these rows, however the stack is stored, and are those of the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fingerprints.adapters.borrowed import BorrowingCheckpoint, borrow
from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.errors import UnreadableTensor
from fingerprints.layouts.row_map import block
from fingerprints.layouts.views import OneOfStack, seen_as
from fingerprints.readers import open_checkpoint
from fingerprints.readers.slabs import take_within
from tests import ggufs
from tests.in_memory import InMemory

EXPERTS, ROWS, WIDTH = 5, 40, 64
STACK = np.random.default_rng(2).standard_normal((EXPERTS, ROWS, WIDTH)).astype(np.float32)
WANTED = [0, 7, 8, ROWS - 1]


def plain(folder: Path) -> tuple[Path, Array, int]:
    save_file({"stack": torch.from_numpy(STACK).bfloat16()}, folder / "model.safetensors")
    return folder, torch.from_numpy(STACK).bfloat16().float().numpy(), 2 * WIDTH


def turned(folder: Path) -> tuple[Path, Array, int]:
    """A view in a pickle: the elements of a row lie apart, and short stretches are read whole."""
    torch.save({"stack": torch.from_numpy(STACK).transpose(0, 1)}, folder / "pytorch_model.bin")
    return folder, STACK.transpose(1, 0, 2), ROWS * WIDTH * 4


@pytest.mark.parametrize("make", [plain, turned])
def test_rows_inside_an_expert(tmp_path: Path, make: Callable[[Path], tuple[Path, Array, int]]) -> None:
    path, expected, most = make(tmp_path)
    with open_checkpoint(path) as checkpoint:
        for place in (0, len(expected) - 1):
            wanted = [row for row in WANTED if row < expected.shape[1]]
            before = checkpoint.bytes_read
            found = take_within(checkpoint, "stack", place, wanted)
            assert found.flags.c_contiguous
            np.testing.assert_array_equal(found.astype(np.float32), expected[place][wanted])
            assert 0 < checkpoint.bytes_read - before <= most * len(wanted)
            assert take_within(checkpoint, "stack", place, []).shape == (0, *expected.shape[2:])


def test_elements_of_a_stack_of_vectors(tmp_path: Path) -> None:
    save_file({"bias": torch.from_numpy(STACK[0])}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        np.testing.assert_array_equal(take_within(checkpoint, "bias", 3, [1, 9]), STACK[0, 3, [1, 9]])
        assert checkpoint.bytes_read == 8


@pytest.mark.parametrize(("scheme", "row_bytes"), [("F32", 256), ("Q8_0", 68), ("Q4_0", 36)])
def test_blocks_of_an_expert_are_decoded_by_row(tmp_path: Path, scheme: str, row_bytes: int) -> None:
    path = ggufs.write(tmp_path / "m.gguf", "llama", {"stack": (STACK, scheme), "flat": (STACK[0], scheme)})
    kind = gguf.GGMLQuantizationType[scheme]
    expected = gguf.dequantize(gguf.quantize(STACK, kind), kind)
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(take_within(checkpoint, "stack", 3, WANTED), expected[3, WANTED])
        assert checkpoint.bytes_read == len(WANTED) * row_bytes
        np.testing.assert_array_equal(
            take_within(checkpoint, "flat", 39, [0, 31, 32, 63]), expected[0, 39, [0, 31, 32, 63]]
        )


def test_what_is_decoded_otherwise_is_read_as_a_whole(tmp_path: Path) -> None:
    packed = torch.from_numpy(STACK * 10).to(torch.float8_e4m3fn)
    save_file({"x.weight": packed, "x.weight_scale": torch.tensor(0.5)}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        found = take_within(checkpoint, "x.weight", 1, WANTED)
        np.testing.assert_array_equal(found, packed.float().numpy()[1, WANTED] / 2)
        assert checkpoint.bytes_read == ROWS * WIDTH + 4


def test_elements_of_half_a_byte_are_read_as_a_whole(tmp_path: Path) -> None:
    header = b'{"stack":{"dtype":"F4","shape":[2,4,3],"data_offsets":[0,12]}}'
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(range(12)))
    with open_checkpoint(path) as checkpoint:
        whole = checkpoint.rows("stack", 0, 2)
        np.testing.assert_array_equal(take_within(checkpoint, "stack", 1, [1, 2]), whole[1, [1, 2]])


def test_a_view_of_an_expert_costs_its_rows(tmp_path: Path) -> None:
    path, expected, row_bytes = plain(tmp_path)
    with open_checkpoint(path) as checkpoint:
        shown = seen_as(checkpoint.tensors["stack"], "up", (ROWS // 2, WIDTH), "up")
        view = OneOfStack(info=shown, source="stack", place=2, rows=block(ROWS // 2, ROWS // 2))
        found = view.take(checkpoint, np.array([0, 5]))
        np.testing.assert_array_equal(found.astype(np.float32), expected[2, [20, 25]])
        assert checkpoint.bytes_read == 2 * row_bytes
        across = OneOfStack(info=shown, source="stack", place=2, rows=block(0, WIDTH), turned=True)
        np.testing.assert_array_equal(across.take(checkpoint, np.array([3])).astype(np.float32), expected[2].T[[3]])
        assert checkpoint.bytes_read == (2 + ROWS) * row_bytes


def test_checkpoints_that_stand_on_others_pass_it_on(tmp_path: Path) -> None:
    part = tmp_path / "unet"
    part.mkdir()
    (tmp_path / "model_index.json").write_text('{"_class_name": "P", "unet": ["diffusers", "Model"]}')
    _, expected, row_bytes = plain(part)
    with open_checkpoint(tmp_path) as checkpoint:
        lent = BorrowingCheckpoint(checkpoint.origin, {"mine": borrow(checkpoint, "unet.stack", "mine")}, (checkpoint,))
        found = take_within(lent, "mine", 4, WANTED)
        np.testing.assert_array_equal(found.astype(np.float32), expected[4, WANTED])
        assert lent.bytes_read == len(WANTED) * row_bytes


@pytest.mark.parametrize(
    ("place", "rows"), [(EXPERTS, [0]), (-1, [0]), (0, [ROWS]), (0, [-1]), (0, [2, 1]), (0, [1, 1])]
)
def test_rows_that_are_not_there_are_refused(tmp_path: Path, place: int, rows: list[int]) -> None:
    with open_checkpoint(plain(tmp_path)[0]) as checkpoint, pytest.raises(IndexError, match=r"indices|rows inside"):
        take_within(checkpoint, "stack", place, rows)


def test_a_tensor_of_one_axis_has_no_rows_inside(tmp_path: Path) -> None:
    save_file({"gain": torch.ones(4)}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint, pytest.raises(IndexError, match=r"shape \(4,\)"):
        take_within(checkpoint, "gain", 0, [0])


def test_other_checkpoints_are_read_by_expert() -> None:
    checkpoint: Checkpoint = InMemory({"stack": STACK})
    np.testing.assert_array_equal(take_within(checkpoint, "stack", 1, WANTED), STACK[1, WANTED])


def test_a_faulty_stack_is_one_bad_tensor(tmp_path: Path) -> None:
    entry = ggufs.entry("stack", (2, 3, 32), 999)
    path = tmp_path / "m.gguf"
    path.write_bytes(ggufs.raw([], [entry, ggufs.entry("ok", (2,), 0, 0)], bytes(64)))
    with open_checkpoint(path) as checkpoint, pytest.raises(UnreadableTensor, match="999"):
        take_within(checkpoint, "stack", 0, [1])
