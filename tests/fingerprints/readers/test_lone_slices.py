"""One tensor-parallel slice, in a folder or by its path: whole if it is the only one of its model, else refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError, CorruptCheckpoint
from fingerprints.readers import open_checkpoint, weight_sets
from tests.fingerprints.readers.test_slices import BASE, HEADS, KV_HEADS, PARAMS, WIDTH, write_slices

DIM = {"dim": WIDTH, "n_heads": HEADS, "n_kv_heads": KV_HEADS}
OUT = "layers.0.attention.wo.weight"


def without(folder: Path, at: int) -> Path:
    (folder / f"consolidated.{at:02d}.pth").unlink()
    return folder


def without_tensor(folder: Path, name: str) -> Path:
    file = folder / "consolidated.00.pth"
    tensors = torch.load(file)
    del tensors[name]
    torch.save(tensors, file)
    return folder


def refused(folder: Path, message: str) -> CheckpointError:
    with pytest.raises(CorruptCheckpoint, match=message) as caught:
        open_checkpoint(folder)
    assert "missing" in caught.value.hint
    return caught.value


def alone(folder: Path, tensors: dict[str, torch.Tensor]) -> Checkpoint:
    torch.save(tensors, folder / "consolidated.00.pth")
    return open_checkpoint(folder)


@pytest.mark.parametrize("params", [PARAMS, DIM | {"head_dim": WIDTH // HEADS}, None])
def test_the_first_of_two_slices_is_not_the_model(tmp_path: Path, params: object) -> None:
    folder = without(write_slices(tmp_path / "meta", 2, params=params), 1)
    error = refused(folder, rf"1 slice is in .*, and '{OUT}' of 48 columns needs 2 to have 96")
    assert (error.limit, error.actual) == (2, 1)


def test_the_width_is_the_claimed_one_where_no_norm_says_it(tmp_path: Path) -> None:
    folder = without_tensor(without(write_slices(tmp_path / "meta", 2), 1), "norm.weight")
    refused(folder, "48 columns needs 2 to have 96")


@pytest.mark.parametrize("kept", [1, 3])
def test_a_slice_with_a_number_is_not_the_first(tmp_path: Path, kept: int) -> None:
    folder = write_slices(tmp_path / "meta", 4)
    for at in {0, 1, 2, 3} - {kept}:
        without(folder, at)
    error = refused(folder, rf"1 of at least {kept + 1} slices .*'consolidated\.0{kept}\.pth'")
    assert (error.limit, error.actual) == (kept + 1, 1)
    assert [known.readable for known in weight_sets(folder)] == [False]


def test_slices_of_two_formats_are_two_sets(tmp_path: Path) -> None:
    folder = without(write_slices(tmp_path / "meta", 2), 1)
    torch.save({"w": torch.ones(2)}, folder / "consolidated.01.pth")
    for at in range(2):
        save_file({"w": torch.ones(2)}, folder / f"consolidated.{at:02d}.safetensors")
    assert sorted(known.files for known in weight_sets(folder)) == [
        ("consolidated.00.pth", "consolidated.01.pth"),
        ("consolidated.00.safetensors", "consolidated.01.safetensors"),
    ]


@pytest.mark.parametrize("inner", [64, 96, 128])
def test_a_model_whose_heads_are_not_as_wide_as_its_norms_is_whole(tmp_path: Path, inner: int) -> None:
    vision = "vision_encoder.transformer.layers.0.attention.wo.weight"
    tensors = {vision: torch.ones(8, 8), OUT: torch.ones(96, inner), "norm.weight": torch.ones(96)}
    assert alone(tmp_path, tensors).tensors[OUT].shape == (96, inner)


def test_a_slice_beside_the_whole_model_is_reported(tmp_path: Path) -> None:
    folder = without(write_slices(tmp_path / "meta", 2), 0)
    (folder / "model.safetensors").write_bytes((BASE / "model.safetensors").read_bytes())
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.origin.shards == ("model.safetensors",)
        assert [finding.code for finding in checkpoint.origin.findings] == ["weight-set-unreadable"]


def test_a_file_that_is_no_checkpoint_is_no_slice(tmp_path: Path) -> None:
    (tmp_path / "consolidated.00.pth").write_bytes(b"no weights")
    save_file({"w": torch.ones(2)}, tmp_path / "other.safetensors")
    assert open_checkpoint(tmp_path).origin.shards == ("other.safetensors",)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_slice_by_its_path_is_refused_beside_the_others(tmp_path: Path, kept: int) -> None:
    path = write_slices(tmp_path / "meta", 2) / f"consolidated.{kept:02d}.pth"
    with pytest.raises(CorruptCheckpoint, match="is 1 of 2 tensor-parallel slices") as caught:
        open_checkpoint(path)
    assert "give the folder" in caught.value.hint
    assert (caught.value.limit, caught.value.actual) == (2, 1)
    assert [known.readable for known in weight_sets(path)] == [False]


@pytest.mark.parametrize(
    ("kept", "message"), [(0, "1 slice is in .* needs 2 to have 96"), (1, "1 of at least 2 slices")]
)
def test_a_slice_by_its_path_is_refused_without_the_others(tmp_path: Path, kept: int, message: str) -> None:
    folder = without(write_slices(tmp_path / "meta", 2), 1 - kept)
    refused(folder / f"consolidated.{kept:02d}.pth", message)


def test_the_only_slice_by_its_path_is_the_folder(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "meta", 1)
    with open_checkpoint(folder) as one, open_checkpoint(folder / "consolidated.00.pth") as other:
        assert one.origin.findings == other.origin.findings
        assert list(one.tensors) == list(other.tensors)
        for name, info in one.tensors.items():
            assert other.tensors[name].shape == info.shape
            assert (one.rows(name, 0, 2) == other.rows(name, 0, 2)).all()


def test_a_link_to_the_only_slice_is_followed(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "meta", 1)
    link = tmp_path / "consolidated.00.pth"
    link.symlink_to(folder / "consolidated.00.pth")
    assert OUT in open_checkpoint(link).tensors
