from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from fingerprints.adapters import open_model, read_adapter
from fingerprints.readers import open_checkpoint
from fingerprints.recorded_checkpoint import RecordedCheckpoint, digest_of_rows

TYPES = {"half": torch.bfloat16, "full": torch.float32, "small": torch.float8_e4m3fn, "whole": torch.int64}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(2)
    tensors = {name: (torch.randn(100, 7, 3) * 4).to(kind) for name, kind in TYPES.items()}
    tensors |= {"vector": torch.randn(50), "number": torch.tensor(2.5)}
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def by_the_official_library(file: Path, name: str, rows: tuple[tuple[int, int], ...]) -> str:
    with safe_open(file, framework="pt") as opened:
        tensor = opened.get_tensor(name)
        tensor = tensor.reshape(-1) if tensor.ndim == 0 else tensor
        kept = torch.cat([tensor[first : last + 1].view(torch.uint8).reshape(-1) for first, last in rows])
    return hashlib.sha256(kept.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("name", TYPES)
def test_digests_are_those_of_the_rows_as_safetensors_reads_them(file: Path, name: str) -> None:
    with RecordedCheckpoint(open_checkpoint(file)) as recorded:
        recorded.take(name, [3, 4, 5, 40])
        recorded.rows(name, 90, 100)
        recorded.take(name, np.array([4, 6]))
        (reading,) = recorded.readings()
    assert reading.rows == ((3, 6), (40, 40), (90, 99))
    assert (reading.name, reading.shape) == (name, (100, 7, 3))
    assert reading.sha256 == by_the_official_library(file, name, reading.rows)


def test_whole_tensors_and_numbers(file: Path) -> None:
    with RecordedCheckpoint(open_checkpoint(file)) as recorded:
        recorded.rows("number", 0, 1)
        list(recorded.blocks("vector"))
        assert recorded.in_order("full") is not None
        found = {reading.name: reading for reading in recorded.readings()}
    assert {name: each.rows for name, each in found.items()} == {
        "number": ((0, 0),),
        "vector": ((0, 49),),
        "full": ((0, 99),),
    }
    for name, each in found.items():
        assert each.sha256 == by_the_official_library(file, name, each.rows)


def test_a_tensor_that_was_left_early_counts_as_far_as_it_was_read(file: Path) -> None:
    with RecordedCheckpoint(open_checkpoint(file)) as recorded:
        blocks = recorded.blocks("full", 4 * 7 * 3 * 10)
        assert next(blocks).size == 7 * 3 * 10
        assert recorded.readings()[0].rows == ((0, 9),)
        next(blocks)
        assert recorded.readings()[0].rows == ((0, 19),)


def test_nothing_read_is_nothing_recorded(file: Path) -> None:
    with RecordedCheckpoint(open_checkpoint(file)) as recorded:
        assert recorded.readings() == ()
        with pytest.raises(IndexError):
            recorded.rows("vector", 0, 51)
        assert recorded.readings() == ()


@given(st.sets(st.integers(0, 99), min_size=1))
def test_runs_are_the_rows_that_were_read(tmp_path_factory: pytest.TempPathFactory, rows: set[int]) -> None:
    file = tmp_path_factory.getbasetemp() / "rows.safetensors"
    if not file.exists():
        save_file({"t": torch.arange(100.0)}, file)
    with RecordedCheckpoint(open_checkpoint(file)) as recorded:
        for row in rows:
            recorded.take("t", [row])
        (reading,) = recorded.readings()
    assert [row for first, last in reading.rows for row in range(first, last + 1)] == sorted(rows)
    assert all(after > last + 1 for (_, last), (after, _) in zip(reading.rows, reading.rows[1:], strict=False))


def test_long_tensors_are_digested_in_pieces_to_the_same_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ((0, 30), (50, 98))
    with open_checkpoint(file) as checkpoint:
        whole = digest_of_rows(checkpoint, "full", rows)
        monkeypatch.setattr("fingerprints.recorded_checkpoint.BLOCK", 200)
        assert digest_of_rows(checkpoint, "full", rows) == whole
        assert digest_of_rows(checkpoint, "full", ((0, 99),)) == by_the_official_library(file, "full", ((0, 99),))


def test_parts_of_a_model_in_sub_folders_keep_the_configuration_of_their_adapter(tmp_path: Path) -> None:
    factors = {
        "base_model.model.q.lora_A.weight": torch.ones(2, 8),
        "base_model.model.q.lora_B.weight": torch.ones(8, 2),
    }
    for part, tensors in {"llm_adapter": factors, "projector": {"linear.weight": torch.ones(4, 4)}}.items():
        (tmp_path / part).mkdir()
        name = "adapter_model" if part == "llm_adapter" else "model"
        save_file(tensors, tmp_path / part / f"{name}.safetensors")
    (tmp_path / "llm_adapter" / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 6}')
    with RecordedCheckpoint(open_model(tmp_path)) as recorded:
        found = read_adapter(recorded)
    assert found is not None
    assert found.config.values["lora_alpha"] == 6
