"""The order of channels comes back from the weights alone, through skips and whatever layers are called."""

from __future__ import annotations

import numpy as np
import pytest

from bench.zoo import bases
from bench.zoo.derivatives.disguises import disguise
from bench.zoo.model import Model
from bench.zoo.symmetries import permute_channels
from bench.zoo.train import generator
from fingerprints.alignment.channels import ChannelMap, channel_layers, match_channels
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import pair_parts
from tests.in_memory import InMemory

Arrays = dict[str, np.ndarray]


def matched(one: Arrays, other: Arrays, *, forced: bool = False) -> tuple[ChannelMap, ...] | None:
    a, b = InMemory(one), InMemory(other)
    return match_channels(pair_parts(build_anatomy(a), build_anatomy(b)), a, b, forced=forced)


def arrays(model: Model) -> Arrays:
    return {name: value.float().numpy() for name, value in model.tensors.items() if value.is_floating_point()}


def resnet(seed: int) -> Model:
    return Model.read(bases.BASES[f"resnet-{seed}"].folder)


def plain(seed: int) -> Arrays:
    """A convolutional network of three layers, whose head comes first by name."""
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (16, 3, 3, 3), "layer1.conv": (24, 16, 3, 3), "layer2.conv": (32, 24, 3, 3), "fc": (12, 32)}
    return {f"{name}.weight": rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def shuffled(net: Arrays, seed: int, noise: float = 0.0) -> tuple[Arrays, dict[str, np.ndarray]]:
    """The network with its channels in another order and noise on it, and the orders by the layer that makes them."""
    rng = np.random.default_rng(seed)
    found, orders = {}, {}
    before = np.arange(3)
    for name in ("conv1", "layer1.conv", "layer2.conv", "fc"):
        value = net[f"{name}.weight"]
        after = np.arange(12) if name == "fc" else rng.permutation(len(value))
        moved = value[after][:, before] + noise * rng.standard_normal(value.shape)
        found[f"{name}.weight"] = moved.astype(np.float32)
        orders[name] = np.argsort(after)
        before = after
    return found, orders


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_orders_come_back_though_the_head_is_named_first(noise: float) -> None:
    net = plain(0)
    other, orders = shuffled(net, 1, noise)
    maps = matched(net, other)
    assert maps is not None
    by_name = {each.pair.a.module: each for each in maps}
    assert by_name.keys() == orders.keys()
    for name, order in orders.items():
        assert np.mean(by_name[name].outputs == order) >= 0.9
    assert all(each.agreement is None or each.agreement >= 0.9 for each in maps)


@pytest.mark.parametrize("noise", [0.0, 0.35])
def test_the_channels_of_a_trained_network_with_skips_come_back(noise: float) -> None:
    model, random = disguise(resnet(0), (permute_channels,), generator("channels")), np.random.default_rng(0)
    other = {
        name: (value + noise * value.std() * random.standard_normal(value.shape)).astype(np.float32)
        for name, value in arrays(model).items()
    }
    one = arrays(resnet(0))
    maps = matched(one, other)
    assert maps is not None
    assert len(maps) == 11
    for each in maps:
        x, y = one[each.pair.a.name], other[each.pair.b.name][each.outputs][:, each.inputs]
        assert np.sum(x * y) / np.linalg.norm(x) / np.linalg.norm(y) > 0.9 / np.hypot(1, noise)


def test_strangers_have_no_order_in_common() -> None:
    assert matched(plain(0), plain(1)) is None
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert matched(arrays(resnet(one)), arrays(resnet(other))) is None
        forced = matched(arrays(resnet(one)), arrays(resnet(other)), forced=True)
        assert forced is not None
        shares = [each.agreement for each in forced if each.agreement is not None]
        assert len(shares) == 10
        assert np.median(shares) < 0.2


def test_perceptrons_and_what_cannot_be_read_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    dense = {f"layers.{place}.weight": rng.standard_normal((64, 64)).astype(np.float32) for place in range(4)}
    side = InMemory(dense)
    assert channel_layers(pair_parts(build_anatomy(side), build_anatomy(side))) == ()
    broken, _ = shuffled(plain(0), 1)
    broken["layer1.conv.weight"][0, 0, 0, 0] = np.nan
    maps = matched(plain(0), broken)
    assert maps is None or all(each.pair.a.module != "layer1.conv" for each in maps)
