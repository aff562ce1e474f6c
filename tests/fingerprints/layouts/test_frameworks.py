"""Convolutions, attention and recurrent cells of Keras, Flax and MLX are seen as PyTorch computes with them."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import msgpack
import numpy as np
import pytest
import torch

from fingerprints.checkpoint import Array
from fingerprints.layouts import harmonised
from fingerprints.readers import open_checkpoint
from provenance import Relation, compare
from tests.fingerprints.layouts.test_harmony import Arrays, same, whole
from tests.in_memory import InMemory, gaussian

GOLDEN = Path(__file__).parents[1] / "readers" / "golden"


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> tuple[Arrays, dict[str, torch.Tensor]]:
    """What Keras stored, and how it is seen beside a checkpoint with PyTorch's names."""
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    path.write_bytes(gzip.decompress((GOLDEN / "model.keras.gz").read_bytes()))
    facing = InMemory({"rnn.weight_hh_l0": np.ones((4, 1), np.float32)})
    with open_checkpoint(path) as checkpoint:
        seen, _, notes = harmonised(checkpoint, facing)
        assert [note.layout for note in notes] == ["recurrent", "turned"]
        return whole(checkpoint), {
            name.removeprefix("layers."): torch.from_numpy(values) for name, values in whole(seen).items()
        }


def values(*shape: int) -> torch.Tensor:
    return torch.from_numpy(gaussian({"x": shape}, 7)["x"])


def close(found: torch.Tensor, expected: Any) -> bool:
    return bool(torch.allclose(found, torch.as_tensor(expected), rtol=1e-4, atol=1e-4))


def windows(image: torch.Tensor, size: int) -> torch.Tensor:
    """All windows of an image, shape `(rows, columns, channel, H, W)`."""
    return image[0].permute(1, 2, 0).unfold(0, size, 1).unfold(1, size, 1)


def test_convolutions_give_what_keras_defines(keras: tuple[Arrays, dict[str, torch.Tensor]]) -> None:
    stored, seen = keras
    image = values(1, 3, 6, 6)
    found = torch.nn.functional.conv2d(image, seen["stem.weight"])[0]
    assert close(found, torch.einsum("xychw,hwco->oxy", windows(image, 3), torch.tensor(stored["layers.stem.kernel"])))
    image = values(1, 8, 6, 6)
    at = "block.layers.depthwise_conv2d"
    found = torch.nn.functional.conv2d(image, seen[f"{at}.weight"], groups=8)[0].unflatten(0, (8, 2))
    kernel = torch.tensor(stored[f"layers.{at}.depthwise_kernel"])
    assert close(found, torch.einsum("xychw,hwcm->cmxy", windows(image, 3), kernel))
    signal = values(1, 8, 6)
    found = torch.nn.functional.conv1d(signal, seen["conv1d.weight"])[0]
    kernel = torch.tensor(stored["layers.conv1d.kernel"])
    assert close(found, torch.einsum("cxw,wco->ox", signal[0].unfold(1, 3, 1), kernel))


def test_projections_by_heads_give_what_keras_defines(keras: tuple[Arrays, dict[str, torch.Tensor]]) -> None:
    stored, seen = keras
    at = "multi_head_attention"
    x, heads = values(5, 8), values(5, 2, 3)
    for one in ("query", "key", "value"):
        name = f"{at}.{one}_dense"
        found = torch.nn.functional.linear(x, seen[f"{name}.weight"], seen[f"{name}.bias"])
        expected = torch.einsum("td,dhs->ths", x, torch.tensor(stored[f"layers.{name}.kernel"]))
        assert close(found.unflatten(1, (2, 3)), expected + torch.tensor(stored[f"layers.{name}.bias"]))
    found = torch.nn.functional.linear(heads.flatten(1), seen[f"{at}.output_dense.weight"])
    assert close(found, torch.einsum("ths,hsd->td", heads, torch.tensor(stored[f"layers.{at}.output_dense.kernel"])))


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> list[Array]:
    """As Keras defines it: gates input, forget, cell, output."""
    h = c = np.zeros(len(recurrent))
    found = []
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found.append(h)
    return found


def gru(x: Array, kernel: Array, recurrent: Array, bias: Array) -> list[Array]:
    """As Keras defines it with `reset_after`: gates update, reset, candidate."""
    h = np.zeros(len(recurrent))
    found = []
    for step in x:
        (xz, xr, xn), (hz, hr, hn) = np.split(step @ kernel + bias[0], 3), np.split(h @ recurrent + bias[1], 3)
        z = sigmoid(xz + hz)
        h = z * h + (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn)
        found.append(h)
    return found


def test_recurrent_cells_give_what_keras_defines(keras: tuple[Arrays, dict[str, torch.Tensor]]) -> None:
    stored, seen = keras
    leaves = ("kernel", "recurrent_kernel", "bias")
    module = torch.nn.LSTM(8, 6)
    state = {name.removeprefix("lstm."): tensor for name, tensor in seen.items() if name.startswith("lstm.")}
    bias = state.pop("bias_l0")
    module.load_state_dict({**state, "bias_ih_l0": bias, "bias_hh_l0": torch.zeros(24)})
    x = values(5, 8)
    expected = lstm(x.numpy(), *(stored[f"layers.lstm.cell.{leaf}"] for leaf in leaves))
    assert close(module(x)[0].detach(), np.float32(expected))
    both = torch.nn.GRU(6, 4, bidirectional=True)
    at = "bidirectional"
    both.load_state_dict({name[len(at) + 1 :]: tensor for name, tensor in seen.items() if name.startswith(at)})
    x = values(5, 6)
    ways = {"forward": x.numpy(), "backward": x.numpy()[::-1]}
    one, other = (
        gru(way, *(stored[f"layers.{at}.{name}_layer.cell.{leaf}"] for leaf in leaves)) for name, way in ways.items()
    )
    assert close(both(x)[0].detach(), np.float32(np.concatenate([one, other[::-1]], axis=1)))


class Net(torch.nn.Module):
    """A small residual net's shapes: convolutions, depthwise ones, a recurrent layer, a classifier."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        widths = (3, 32, 64, 80)
        self.stages = torch.nn.ModuleList(
            torch.nn.ModuleDict(
                {
                    "conv": torch.nn.Conv2d(i, o, 3),
                    "bn": torch.nn.BatchNorm2d(o),
                    "dw": torch.nn.Conv2d(o, 2 * o, 3, groups=o),
                    "shortcut": torch.nn.Conv2d(2 * o, o, 1, bias=False),
                }
            )
            for i, o in pairwise(widths)
        )
        self.temporal = torch.nn.Conv1d(80, 112, 3)
        self.rnn = torch.nn.LSTM(112, 96)
        self.gru = torch.nn.GRU(96, 88)
        self.fc = torch.nn.Linear(88, 100)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)


def exported(net: Net, *, keras: bool) -> dict[str, Array]:
    """The net's weights by paths as Keras 3 numbers them, or as Flax names them: transposed by each one's documents."""
    found: dict[str, Array] = {}
    count = 0
    for at, stage in enumerate(net.stages):
        for name in ("conv", "dw", "shortcut", "bn"):
            layer = stage[name]
            state = {key: tensor.numpy() for key, tensor in layer.state_dict().items()}
            weight = state["weight"]
            if name == "bn":
                order = ("weight", "bias", "running_mean", "running_var")
                leaves = [state[key] for key in order]
                names = ("scale", "bias", "mean", "var")
            else:
                if name == "dw" and keras:
                    weight = weight.reshape(-1, 2, 3, 3).transpose(2, 3, 0, 1)
                else:
                    weight = weight.transpose(2, 3, 1, 0)
                leaves = [weight, *([state["bias"]] if "bias" in state else [])]
                names = ("kernel", "bias")
            kind = {"bn": "batch_normalization", "dw": "depthwise_conv2d"}.get(name, "conv2d")
            number = f"_{count if kind == 'conv2d' else at}" if (count if kind == "conv2d" else at) else ""
            count += kind == "conv2d"
            for place, (leaf, array) in enumerate(zip(names, leaves, strict=False)):
                top = "batch_stats" if leaf in ("mean", "var") else "params"
                flax = f"{top}/Stage_{at}/{name}/{leaf}"
                found[f"layers/{kind}{number}/vars/{place}" if keras else flax] = array
    for name, kind in (("temporal", "conv1d"), ("fc", "dense")):
        layer = getattr(net, name)
        for place, (leaf, array) in enumerate((("kernel", layer.weight.detach().numpy().T), ("bias", layer.bias))):
            flax = f"params/{name}/{leaf}"
            found[f"layers/{kind}/vars/{place}" if keras else flax] = np.asarray(torch.as_tensor(array).detach())
    if keras:
        one, two = net.rnn.state_dict(), net.gru.state_dict()
        bias = one["bias_ih_l0"] + one["bias_hh_l0"]
        cells = {"lstm": (one["weight_ih_l0"].T, one["weight_hh_l0"].T, bias)}
        r_z_n = [two[f"{name}_l0"].chunk(3) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        w, u, b, c = (torch.cat([z, r, n]) for r, z, n in r_z_n)
        cells["gru"] = (w.T, u.T, torch.stack([b, c]))
        for kind, arrays in cells.items():
            found |= {f"layers/{kind}/cell/vars/{at}": array.numpy() for at, array in enumerate(arrays)}
    return found


def written(path: Path, arrays: dict[str, Array]) -> Path:
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
        return path
    root: dict[str, Any] = {}
    for name, array in arrays.items():
        *above, leaf = name.split("/")
        inner = root
        for key in above:
            inner = inner.setdefault(key, {})
        packed = msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True)
        inner[leaf] = msgpack.ExtType(1, packed)
    path.write_bytes(msgpack.packb(root, use_bin_type=True))
    return path


@pytest.mark.parametrize("name", ["model.weights.h5", "model.msgpack"])
def test_an_export_is_identical_its_fine_tune_derived_and_a_stranger_independent(tmp_path: Path, name: str) -> None:
    nets = [Net(0), Net(1)]
    left_out = () if name.endswith("h5") else ("rnn.", "gru.")
    for seed, net in enumerate(nets):
        state = {key: value for key, value in net.state_dict().items() if not key.startswith(left_out)}
        torch.save(state, tmp_path / f"{seed}.pt")
    path = written(tmp_path / name, exported(nets[0], keras=name.endswith("h5")))
    for sides in ((path, tmp_path / "0.pt"), (tmp_path / "0.pt", path)):
        result = compare(*sides)
        assert result.verdict.relation is Relation.IDENTICAL
        named = {entry.layout for entry in result.architecture.layouts}
        assert named == ({"turned"} if left_out else {"turned", "recurrent"})
    with torch.no_grad():
        for parameter in nets[0].parameters():
            parameter.mul_(1 + 0.02 * torch.randn_like(parameter))
    torch.save(nets[0].state_dict(), tmp_path / "tuned.pt")
    assert compare(path, tmp_path / "tuned.pt").verdict.relation is Relation.DERIVED
    assert compare(path, tmp_path / "1.pt").verdict.relation is Relation.INDEPENDENT


FILTERS = {"a.weight": (8, 3, 3, 3), "b.weight": (12, 8, 3, 3), "c.weight": (8, 8, 8, 8), "d.weight": (6, 12, 5)}
ORDERS = {"outputs first": lambda x: np.moveaxis(x, 1, -1), "outputs last": lambda x: np.moveaxis(x, (1, 0), (-2, -1))}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("left_out", [set(), {"d.weight"}, {"a.weight", "b.weight", "c.weight"}])
def test_namesakes_with_channels_elsewhere(order: str, left_out: set[str]) -> None:
    arrays = {name: x for name, x in gaussian(FILTERS, 0).items() if name not in left_out}
    moved = {name: np.ascontiguousarray(ORDERS[order](x)) for name, x in arrays.items()}
    for a, b, side in ((moved, arrays, "a"), (arrays, moved, "b")):
        one, other, notes = harmonised(InMemory(a), InMemory(b))
        assert same(whole(one), whole(other))
        assert same(whole(one), arrays)
        assert [(note.side, note.layout, note.tensors) for note in notes] == [(side, "channels_last", len(arrays))]


def test_filters_that_shapes_do_not_settle_are_left_alone() -> None:
    arrays = gaussian({"a.weight": (8, 3, 3, 3), "b.weight": (4, 4, 6, 6)}, 0)
    cubic = {"a.weight": arrays["a.weight"]}
    either = {"b.weight": ORDERS["outputs last"](arrays["b.weight"])}
    mixed = {**either, "c.weight": np.ones((8, 3, 5, 5), np.float32)}
    for moved in ({"a.weight": ORDERS["outputs first"](cubic["a.weight"])}, either):
        assert harmonised(InMemory(moved), InMemory(arrays))[2] == ()
    first = {"x.weight": (8, 4, 3, 3), "y.weight": (8, 5, 3, 3)}
    plain = dict(gaussian(first, 0))
    contradicting = {"x.weight": ORDERS["outputs first"](plain["x.weight"]), "y.weight": plain["y.weight"]}
    assert harmonised(InMemory(contradicting), InMemory(plain))[2] == ()
    assert harmonised(InMemory(mixed), InMemory({**arrays, "c.weight": mixed["c.weight"]}))[2] == ()


@pytest.mark.parametrize(
    ("bias", "facing", "turned"), [(12, None, True), (2, None, False), (None, (12, 1, 3, 3), True)]
)
def test_depthwise_kernels_are_told_by_their_bias_or_the_other_side(
    bias: int | None, facing: tuple[int, ...] | None, turned: bool
) -> None:
    arrays = {"net.kernel": gaussian({"w": (3, 3, 6, 2)}, 0)["w"]}
    if bias is not None:
        arrays["net.bias"] = np.ones(bias, np.float32)
    other = {"other.weight": np.ones(facing or (7, 7), np.float32)}
    seen, _, _ = harmonised(InMemory(arrays), InMemory(other))
    assert seen.tensors["net.weight"].shape == ((12, 1, 3, 3) if turned else (2, 6, 3, 3))
    if turned:
        expected = arrays["net.kernel"].transpose(2, 3, 0, 1).reshape(12, 1, 3, 3)
        assert np.array_equal(seen.rows("net.weight", 3, 9), expected[3:9])


def test_three_axes_are_a_convolution_unless_queries_keys_and_values_stand_together() -> None:
    shapes = {f"net.{name}.kernel": (8, 2, 4) for name in ("query", "key", "value")}
    kernels = dict(gaussian({**shapes, "net.out.kernel": (2, 4, 8), "net.conv.kernel": (3, 4, 8)}, 0))
    seen, _, _ = harmonised(InMemory(kernels), InMemory({"x.weight": np.ones((2, 2), np.float32)}))
    found = {name: info.shape for name, info in seen.tensors.items()}
    assert found["net.query.weight"] == found["net.out.weight"] == (8, 8)
    assert found["net.conv.weight"] == (8, 4, 3)
    del kernels["net.value.kernel"]
    seen, _, _ = harmonised(InMemory(kernels), InMemory({"x.weight": np.ones((2, 2), np.float32)}))
    assert seen.tensors["net.query.weight"].shape == (4, 2, 8)
