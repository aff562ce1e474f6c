"""The same is done to the same side whichever is called A, and kernels are turned where shapes say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fingerprints.layouts import harmonised
from tests.fingerprints.layouts.test_harmony import NEURONS, Arrays, E, H, attention, experts, same, stacked, whole
from tests.fingerprints.layouts.test_neighbours import key_and_value, neighbouring
from tests.in_memory import InMemory, gaussian


def gpt2(leaf: str, *, input_first: bool, seed: int = 0) -> Arrays:
    """Two layers of GPT-2, stored as `Conv1D` (inputs first) or as `Linear`, with matrices called `leaf`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(2):
        at = f"transformer.h.{layer}"
        shapes |= {f"{at}.ln_1.weight": (H,), f"{at}.attn.c_attn.weight": (3 * H, H)}
        shapes |= {f"{at}.attn.c_proj.weight": (H, H), f"{at}.mlp.c_fc.weight": (NEURONS, H)}
        shapes[f"{at}.mlp.c_proj.weight"] = (H, NEURONS)
    return {
        name if values.ndim == 1 else name.replace("weight", leaf): values.T if input_first else values
        for name, values in gaussian(shapes, seed).items()
    }


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("kernels_turned", [False, True])
@pytest.mark.parametrize("weights_turned", [False, True])
def test_kernels_and_weights_of_gpt2_face_the_same_way(
    renamed: bool, kernels_turned: bool, weights_turned: bool
) -> None:
    kernels, weights = gpt2("kernel", input_first=kernels_turned), gpt2("weight", input_first=weights_turned)
    if renamed:
        kernels = {name.removeprefix("transformer."): values for name, values in kernels.items()}
    for swapped in (False, True):
        pair = harmonised(*(InMemory(side) for side in ((weights, kernels) if swapped else (kernels, weights))))
        k, w = (whole(side) for side in (pair[1::-1] if swapped else pair[:2]))
        facing = {name.removeprefix("transformer.").replace("kernel", "weight"): values for name, values in k.items()}
        assert same(facing, {name.removeprefix("transformer."): values for name, values in w.items()})
        assert len({note.side for note in pair[2]}) == len(pair[2]), "nothing is turned and turned back"


def test_square_kernels_follow_the_namesakes_of_their_stack() -> None:
    shapes = {f"net.blocks.{i}.{n}.weight": s for i in range(2) for n, s in (("x", (8, 12)), ("y", (8, 8)))}
    arrays = dict(gaussian(shapes, 0))
    plain = {name.replace("weight", "kernel"): values for name, values in arrays.items()}
    turned = {name: values.T for name, values in plain.items()}
    for kernels, changed in ((plain, 0), (turned, 4)):
        a, _, notes = harmonised(InMemory(kernels), InMemory(arrays))
        assert [note.tensors for note in notes] == [changed] * bool(changed)
        assert same({name.replace("kernel", "weight"): values for name, values in whole(a).items()}, arrays)


def test_kernels_of_experts_are_turned_beside_a_router_that_is_none() -> None:
    arrays = experts()
    kernels = {
        name.replace("_proj.weight", "_proj.kernel"): values.T if name.endswith("_proj.weight") else values
        for name, values in arrays.items()
    }
    a, b, notes = harmonised(InMemory(kernels), InMemory(arrays))
    assert same(whole(a), whole(b))
    assert [(note.side, note.tensors) for note in notes] == [("a", 2 * (4 + 3 * E))]


def layout_copies() -> dict[str, tuple[Arrays, Arrays]]:
    """Pairs of the same weights, or of strangers, in two layouts."""
    mixture, split = experts(), attention(24, 12, 24, fused=False)
    net = dict(gaussian({f"net.{i}.{n}.weight": (8, 12) for i in range(2) for n in "xy"}, 0))
    return {
        "stacked": (mixture, stacked(mixture)),
        "stacked-input-first": (stacked(mixture, input_first=True), mixture),
        "stacked-twice": (stacked(mixture), stacked(mixture, gguf=True)),
        "neighbouring": (neighbouring(mixture), mixture),
        "neighbouring-stacked": (neighbouring(mixture), stacked(mixture)),
        "key-and-value": (key_and_value(split), split),
        "fused": (split, attention(24, 12, 24, fused=True)),
        "reversed": (net, {name: values.T for name, values in net.items()}),
        "conv1d": (gpt2("weight", input_first=True), gpt2("weight", input_first=False)),
        "conv1d-kernel": (gpt2("weight", input_first=True), gpt2("kernel", input_first=True)),
        "linear-kernel": (gpt2("weight", input_first=False), gpt2("kernel", input_first=True)),
        "flax-conv1d": (gpt2("kernel", input_first=False), gpt2("weight", input_first=True)),
        "kernels": (gpt2("kernel", input_first=False), gpt2("kernel", input_first=True)),
        "strangers": (gpt2("kernel", input_first=True), split),
        "kernel-elsewhere": (
            gpt2("weight", input_first=True),
            {name.removeprefix("transformer."): v for name, v in gpt2("kernel", input_first=True).items()},
        ),
    }


@pytest.mark.parametrize("case", list(layout_copies()))
def test_swapping_the_arguments_swaps_what_is_done(case: str) -> None:
    one, other = layout_copies()[case]
    a, b, notes = harmonised(InMemory(one), InMemory(other))
    b_swapped, a_swapped, swapped = harmonised(InMemory(other), InMemory(one))
    facing = {"a": "b", "b": "a"}
    assert {replace(note, side=facing[note.side]) for note in swapped} == set(notes)
    assert len(swapped) == len(notes)
    assert same(whole(a), whole(a_swapped))
    assert same(whole(b), whole(b_swapped))


def test_kernels_of_no_elements_are_left_as_they_are() -> None:
    kernels = {"a.kernel": np.zeros((0, 8), np.float32), "b.kernel": np.ones((3, 4), np.float32)}
    weights = {"a.weight": np.zeros((8, 0), np.float32), "b.weight": np.ones((4, 3), np.float32)}
    shown = whole(harmonised(InMemory(kernels), InMemory(weights))[0])
    assert {name: values.shape for name, values in shown.items()} == {"a.kernel": (0, 8), "b.weight": (4, 3)}
