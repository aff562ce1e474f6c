"""Files that Keras and Flax wrote themselves (`golden/frameworks.py`): every variable under its name."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from fingerprints.readers import open_checkpoint
from fingerprints.readers.keras_names import layer_names, variable_names
from provenance import Relation, compare

GOLDEN = Path(__file__).parent / "golden"
NORM = ("gamma", "beta", "moving_mean", "moving_variance")
CELL = ("kernel", "recurrent_kernel", "bias")
MODEL = {
    "stem": ("kernel", "bias"),
    "block.layers.depthwise_conv2d": ("depthwise_kernel", "bias"),
    "block.layers.batch_normalization": NORM,
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "embedding": ("embeddings",),
    "layer_normalization": NORM[:2],
    **{f"multi_head_attention.{one}_dense": ("kernel", "bias") for one in ("query", "key", "value", "output")},
    "lstm.cell": CELL,
    "bidirectional.forward_layer.cell": CELL,
    "bidirectional.backward_layer.cell": CELL,
    "conv1d": ("kernel", "bias"),
    "head": ("kernel", "bias"),
}


def unpacked(folder: Path, ending: str) -> Path:
    path = folder / f"model.{ending}"
    path.write_bytes(gzip.decompress((GOLDEN / f"model.{ending}.gz").read_bytes()))
    return path


def weights_of(archive: Path) -> Path:
    path = archive.with_name("model.weights.h5")
    path.write_bytes(zipfile.ZipFile(archive).read("model.weights.h5"))
    return path


def test_numbered_variables_have_their_names(tmp_path: Path) -> None:
    path = unpacked(tmp_path, "keras")
    with open_checkpoint(path) as checkpoint, h5py.File(io.BytesIO(weights_of(path).read_bytes())) as file:
        assert set(checkpoint.tensors) == {f"layers.{layer}.{leaf}" for layer in MODEL for leaf in MODEL[layer]}
        for layer, leaves in MODEL.items():
            group = layer.replace(".", "/").replace("stem", "conv2d").replace("head", "dense", "multi" not in layer)
            group = group.replace("block", "sequential").replace("multi_dense", "multi_head")
            for place, leaf in enumerate(leaves):
                stored = file[f"layers/{group}/vars/{place}"][()]
                assert np.array_equal(checkpoint.rows(f"layers.{layer}.{leaf}", 0, len(stored)), stored), layer


def test_all_three_files_are_the_same_model(tmp_path: Path) -> None:
    archive, whole = unpacked(tmp_path, "keras"), unpacked(tmp_path, "h5")
    with open_checkpoint(whole) as checkpoint:
        assert {"block.depthwise_conv2d.kernel", "lstm.lstm_cell.recurrent_kernel", "stem.kernel"} < set(
            checkpoint.tensors
        )
        assert len(checkpoint.tensors) == sum(map(len, MODEL.values()))
    for path in (whole, weights_of(archive)):
        assert compare(archive, path).verdict.relation is Relation.IDENTICAL


def test_flax_names_its_parameters() -> None:
    with open_checkpoint(GOLDEN / "model.msgpack") as checkpoint:
        shapes = {name: info.shape for name, info in checkpoint.tensors.items()}
    assert shapes["Conv_0.kernel"] == (3, 3, 3, 8)
    assert shapes["MultiHeadDotProductAttention_0.query.kernel"] == (8, 2, 3)
    assert shapes["Embed_0.embedding"] == (10, 5)
    assert shapes["batch_stats.BatchNorm_0.mean"] == (8,)
    assert len(shapes) == 21


def test_nested_models_of_one_name_keep_all_their_layers(tmp_path: Path) -> None:
    """Keras 2 may call the layers of two inner models alike."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for at, model in enumerate(("left", "right")):
            file[f"model_weights/{model}/conv/kernel:0"] = np.full((1, 1, 2, 3), at, np.float32)
            file["model_weights"][model].attrs["weight_names"] = ["conv/kernel:0"]
        file["model_weights/bert/bert/layer_._0/dense/kernel:0"] = np.ones((2, 2))
        file["model_weights/bert"].attrs["weight_names"] = ["bert/layer_._0/dense/kernel:0"]
    with open_checkpoint(tmp_path / "m.h5") as checkpoint:
        assert checkpoint.rows("left.conv.kernel", 0, 1).max() == 0
        assert checkpoint.rows("right.conv.kernel", 0, 1).min() == 1
    with h5py.File(tmp_path / "m.h5", "a") as file:
        del file["model_weights/right"]
    with open_checkpoint(tmp_path / "m.h5") as checkpoint:
        assert set(checkpoint.tensors) == {"conv.kernel", "bert.layer.0.dense.kernel"}


@pytest.mark.parametrize(
    ("classes", "shapes", "names"),
    [
        (("dense_3", ""), [(4, 5)], ["kernel"]),
        (("embedding", ""), [(4, 5)], ["embeddings"]),
        (("mine", ""), [(4, 5)], ["vars.0"]),
        (("enc", "dense_7"), [(4, 5)], ["kernel"]),
        (("mine", ""), [(3, 3, 4, 5), (5,)], ["kernel", "bias"]),
        (("mine", ""), [(8, 2, 4), (2, 4)], ["kernel", "bias"]),
        (("mine", ""), [(4, 5), (4,)], ["vars.0", "vars.1"]),
        (("batch_normalization", ""), [(4,)] * 3, ["vars.0", "moving_mean", "moving_variance"]),
        (("layer_normalization", ""), [(4,)], ["vars.0"]),
        (("cell", ""), [(3, 8), (2, 8), (8,)], ["kernel", "recurrent_kernel", "bias"]),
        (("dense", ""), [(), ()], ["vars.0", "vars.1"]),
        (("dense", ""), [], []),
    ],
)
def test_variables_are_named_by_class_or_shapes(
    classes: tuple[str, ...], shapes: list[tuple[int, ...]], names: list[str]
) -> None:
    assert variable_names(classes, shapes) == names


def test_names_that_keras_made_up_are_not_the_layers() -> None:
    assert layer_names({"dense": "dense_17", "dense_1": "head", "conv2d": None}) == {
        "dense": "dense", "dense_1": "head", "conv2d": "conv2d"
    }  # fmt: skip
    assert layer_names({"dense": "x", "conv2d": "x"}) == {"dense": "dense", "conv2d": "conv2d"}


def test_variables_that_are_not_numbered_through_are_left_as_they_are(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3))
        file["layers/dense/vars/2"] = np.ones(3)
        file["layers/other/vars"] = np.ones(3)
        file["layers/lost/vars/0"] = h5py.ExternalLink("other.h5", "/w")
        file["layers/lost/vars"].attrs["name"] = np.array([b"\xff" * 9])
    with open_checkpoint(tmp_path / "m.h5") as checkpoint:
        assert set(checkpoint.tensors) == {"layers.dense.vars.0", "layers.dense.vars.2", "layers.other.vars"}
