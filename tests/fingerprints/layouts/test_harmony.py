"""What is taken apart or turned, by names and shapes, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fingerprints import layouts
from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.layouts import LAYOUTS, harmonised, layouts_in
from fingerprints.sampling import Half, in_half
from tests.in_memory import InMemory, gaussian

H, NEURONS, E = 16, 40, 3
Arrays = dict[str, Array]


def whole(checkpoint: Checkpoint) -> Arrays:
    return {name: checkpoint.rows(name, 0, info.shape[0]) for name, info in checkpoint.tensors.items()}


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def experts(seed: int = 0, layers: int = 2, neurons: int = NEURONS) -> Arrays:
    """Mixtral by its names on the Hub."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        at = f"model.layers.{layer}"
        shapes |= {f"{at}.self_attn.{p}_proj.weight": (H, H) for p in "qkvo"}
        shapes |= {f"{at}.input_layernorm.weight": (H,), f"{at}.mlp.gate.weight": (E, H)}
        for e in range(E):
            shapes |= {f"{at}.mlp.experts.{e}.{p}_proj.weight": (neurons, H) for p in ("gate", "up")}
            shapes[f"{at}.mlp.experts.{e}.down_proj.weight"] = (H, neurons)
    return dict(gaussian(shapes, seed))


def stacked(arrays: Arrays, *, input_first: bool = False, every_other: bool = False, gguf: bool = False) -> Arrays:
    """The same with one tensor for all experts of a layer, and biases where gate and up take turns (gpt-oss)."""
    result = {name: values for name, values in arrays.items() if ".experts." not in name}
    for at in sorted({name.partition(".experts.")[0] for name in arrays if ".experts." in name}):
        gate, up, down = (
            np.stack([arrays[f"{at}.experts.{e}.{p}_proj.weight"] for e in range(E)]) for p in ("gate", "up", "down")
        )
        if gguf:
            layer = at.split(".")[2]
            result |= {f"blk.{layer}.ffn_{p}_exps.weight": v for p, v in (("gate", gate), ("up", up), ("down", down))}
            continue
        both = np.stack([gate, up], 2).reshape(E, -1, H) if every_other else np.concatenate([gate, up], 1)
        result[f"{at}.experts.gate_up_proj"] = both.transpose(0, 2, 1) if input_first else both
        result[f"{at}.experts.down_proj"] = down.transpose(0, 2, 1) if input_first else down
        if every_other:
            result[f"{at}.experts.gate_up_proj_bias"] = np.tile(np.arange(2 * gate.shape[1], dtype=np.float32), (E, 1))
            result[f"{at}.experts.down_proj_bias"] = np.zeros((E, H), dtype=np.float32)
    return result


def test_every_layout_is_listed() -> None:
    files = {path.stem for path in Path(layouts.__file__).parent.glob("*.py")}
    rest = {
        "__init__",
        "expert_names",
        "harmony",
        "kernel_axes",
        "layout_side",
        "order_search",
        "relaid_checkpoint",
        "row_map",
        "views",
    }
    missing = files - rest - {type(layout).__module__.rpartition(".")[2] for layout in LAYOUTS}
    assert not missing, f"add a line to LAYOUTS in fingerprints/layouts/harmony.py for {missing}"
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)


def test_equal_layouts_are_left_alone() -> None:
    arrays = InMemory(experts())
    a, b, notes = harmonised(arrays, arrays)
    assert a is arrays
    assert b is arrays
    assert notes == ()


@pytest.mark.parametrize("input_first", [False, True])
@pytest.mark.parametrize("neurons", [NEURONS, H // 2])
def test_stacked_experts_become_experts(input_first: bool, neurons: int) -> None:
    arrays = experts(neurons=neurons)
    a, b, notes = harmonised(InMemory(arrays), InMemory(stacked(arrays, input_first=input_first)))
    assert same(whole(a), whole(b))
    assert [(note.side, note.layout, note.tensors, note.views) for note in notes] == [("b", "stacked_experts", 4, 18)]


def test_stacked_experts_take_the_other_sides_names() -> None:
    arrays = experts()
    spelled = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2", "mlp.": "block_sparse_moe."}
    named = {}
    for name, values in arrays.items():
        for old, new in spelled.items():
            name = name.replace(old, new)
        named[name] = values
    a, b, _ = harmonised(InMemory(stacked(arrays)), InMemory(named))
    assert whole(a).keys() - whole(b).keys() == {f"model.layers.{layer}.mlp.gate.weight" for layer in range(2)}


def test_gate_and_up_that_take_turns_are_told_by_their_biases() -> None:
    arrays = experts()
    _, b, _ = harmonised(InMemory(arrays), InMemory(stacked(arrays, input_first=True, every_other=True)))
    found = whole(b)
    assert same(arrays, {name: found[name] for name in arrays})
    assert np.array_equal(found["model.layers.1.mlp.experts.2.up_proj.bias"], np.arange(1, 2 * NEURONS, 2))


def test_gguf_stacks_become_experts() -> None:
    arrays = experts()
    found = whole(harmonised(InMemory(arrays), InMemory(stacked(arrays, gguf=True)))[1])
    name = "mlp.experts.2.up_proj.weight"
    assert np.array_equal(found[f"blk.1.{name}"], arrays[f"model.layers.1.{name}"])


def test_square_experts_of_no_known_orientation_are_left_alone() -> None:
    arrays = {
        name: values
        for name, values in stacked(experts(neurons=H)).items()
        if not name.endswith("gate_up_proj")
    }  # fmt: skip
    assert harmonised(InMemory(arrays), InMemory(arrays))[2] == ()


def test_a_great_many_stacks_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprints.layouts.stacked_experts.MOST_VIEWS", 11)
    assert harmonised(InMemory(stacked(experts())), InMemory(experts()))[2] == ()


@pytest.mark.parametrize("normed", ["parametrized", "old"])
def test_weight_norm_is_merged_where_the_other_side_has_the_weight(normed: str) -> None:
    torch.manual_seed(3)
    layer = torch.nn.Conv1d(4, 6, 3)
    plain = {"net.weight": layer.weight.detach().numpy().copy(), "net.bias": layer.bias.detach().numpy().copy()}
    rng = np.random.default_rng(1)
    direction, length = rng.standard_normal((6, 4, 3)).astype(np.float32), rng.random((6, 1, 1)).astype(np.float32)
    merged = torch._weight_norm(torch.from_numpy(direction), torch.from_numpy(length), 0).numpy()
    stems = ("parametrizations.weight.original1", "parametrizations.weight.original0")
    names = stems if normed == "parametrized" else ("weight_v", "weight_g")
    apart = {f"net.{names[0]}": direction, f"net.{names[1]}": length, "net.bias": plain["net.bias"]}
    a, b, notes = harmonised(InMemory(plain), InMemory(apart))
    assert a.tensors.keys() == b.tensors.keys()
    assert np.allclose(b.rows("net.weight", 0, 6), merged, rtol=1e-6, atol=0)
    assert [(note.layout, note.tensors, note.views) for note in notes] == [("weight_norm", 2, 1)]
    assert harmonised(InMemory(apart), InMemory(apart))[2] == ()


def test_weight_norm_along_another_axis_is_left_alone() -> None:
    plain = {"net.weight": np.ones((6, 4), dtype=np.float32)}
    apart = {"net.weight_v": plain["net.weight"], "net.weight_g": np.ones((1, 4), dtype=np.float32)}
    assert harmonised(InMemory(plain), InMemory(apart))[2] == ()


def test_kernels_of_flax_are_turned_into_weights() -> None:
    arrays = dict(
        gaussian({"body.conv.weight": (8, 4, 3, 2), "body.dense.weight": (8, 8), "head.dense.weight": (5, 8)}, 0)
    )
    kernels = {
        name.replace("weight", "kernel"): values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T
        for name, values in arrays.items()
    }
    for swapped in (False, True):
        sides = (InMemory(kernels), InMemory(arrays))
        a, b, notes = harmonised(*sides[::-1]) if swapped else harmonised(*sides)
        assert same(whole(a), whole(b))
        assert [note.side for note in notes] == ["b" if swapped else "a"]
    assert harmonised(InMemory(kernels), InMemory(kernels))[2] == ()


def test_namesakes_of_reversed_shapes_are_turned_and_square_ones_follow_their_stack() -> None:
    shapes = {f"net.blocks.{i}.{n}.weight": s for i in range(2) for n, s in (("x", (8, 12)), ("y", (8, 8)))}
    arrays = dict(gaussian(shapes | {"net.table.weight": (8, 8)}, 0))
    turned = {name: values.T if "blocks" in name else values for name, values in arrays.items()}
    a, b, notes = harmonised(InMemory(arrays), InMemory(turned))
    assert same(whole(a), whole(b))
    assert [(note.side, note.tensors) for note in notes] == [("b", 4)]


def test_square_matrices_beside_contradicting_ones_are_left_alone() -> None:
    arrays = dict(gaussian({"net.0.x.weight": (8, 12), "net.0.y.weight": (8, 8), "net.0.z.weight": (8, 20)}, 0))
    mixed = {name: values.T if ".x." in name else values for name, values in arrays.items()}
    _, b, notes = harmonised(InMemory(arrays), InMemory(mixed))
    assert [note.tensors for note in notes] == [1]
    assert same(whole(b), arrays)


def attention(q: int, k: int, inputs_of_output: int, *, fused: bool) -> Arrays:
    """Two layers of attention alone, q, k and v in one or apart."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(2):
        at = f"model.layers.{layer}"
        shapes |= {f"{at}.input_layernorm.weight": (H,), f"{at}.self_attn.o_proj.weight": (H, inputs_of_output)}
        if fused:
            shapes[f"{at}.self_attn.qkv_proj.weight"] = (q + 2 * k, H)
        else:
            shapes |= {f"{at}.self_attn.{p}_proj.weight": (q if p == "q" else k, H) for p in "qkv"}
    return dict(gaussian(shapes, 0))


def test_sizes_of_q_k_and_v_come_from_the_other_side_or_the_output() -> None:
    fused = InMemory(attention(24, 12, 24, fused=True))
    for other in (attention(24, 12, 24, fused=False), attention(40, 40, 40, fused=False)):
        _, b, notes = harmonised(InMemory(other), fused)
        assert [(note.layout, note.tensors, note.views) for note in notes] == [("fused_qkv", 2, 6)]
        assert [b.tensors[f"model.layers.1.self_attn.{p}_proj.weight"].shape[0] for p in "qkv"] == [24, 12, 12]


def test_sizes_that_contradict_the_output_are_not_followed() -> None:
    fused = InMemory(attention(32, 8, 32, fused=True))
    assert harmonised(InMemory(attention(16, 16, 16, fused=False)), fused)[2] == ()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("noisy", "settled"), [(Half.TEST, True), (Half.SEARCH, False)])
def test_a_search_sees_the_half_that_tests_do_not_see(axis: int, noisy: Half, settled: bool) -> None:
    width, head, kv = 64, 16, 2
    shapes = {f"model.layers.0.self_attn.{p}_proj.weight": (width if p in "qo" else kv * head, width) for p in "qkvo"}
    split = dict(gaussian(shapes | {"model.layers.0.input_layernorm.weight": (width,)}, 0))
    parts = [split[f"model.layers.0.self_attn.{p}_proj.weight"].reshape(kv, -1, head, width) for p in "qkv"]
    fused = {name: values for name, values in split.items() if "_proj" not in name or "o_proj" in name}
    fused["model.layers.0.attention.wqkv.weight"] = np.concatenate(parts, 1).reshape(-1, width)
    noise = gaussian(shapes, 1)
    for name, values in noise.items():
        of_half = in_half(np.arange(values.shape[axis]), noisy)
        split[name] = np.where(of_half[:, None] if axis == 0 else of_half[None, :], values, split[name])
    notes = harmonised(InMemory(split), InMemory(fused))[2]
    assert [(note.detail, note.searched) for note in notes] == [("groups with heads of 16", True)] * settled


def test_no_name_is_taken_twice() -> None:
    both = attention(24, 12, 24, fused=True) | {"model.layers.1.self_attn.k_proj.weight": np.ones((4, H), np.float32)}
    _, b, notes = harmonised(InMemory(attention(24, 12, 24, fused=False)), InMemory(both))
    assert [note.tensors for note in notes] == [1]
    assert b.tensors["model.layers.1.self_attn.k_proj.weight"].shape == (4, H)


def test_one_checkpoint_is_described_by_what_it_has() -> None:
    notes = layouts_in(InMemory(stacked(experts())))
    assert [(note.side, note.layout, note.tensors, note.views) for note in notes] == [("", "stacked_experts", 4, 18)]
    assert layouts_in(InMemory(experts())) == ()
