"""Renamed tensors find their partners by weights, and the search sees one half of the units only."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.anatomy import build_anatomy
from fingerprints.assignment import Assigned, assign
from fingerprints.pairing import PairBasis, pair_parts
from fingerprints.sampling import Half, in_half
from tests import architectures
from tests.checkpoints import llama_shapes
from tests.in_memory import InMemory, gaussian

Values = dict[str, np.ndarray]
LLAMA = llama_shapes(layers=3, hidden=64, mlp=96, heads=4, kv_heads=4, vocabulary=128)


def assigned(a: Values, b: Values) -> Assigned:
    left, right = InMemory(a), InMemory(b)
    return assign(pair_parts(build_anatomy(left), build_anatomy(right)), left, right)


def names(found: Assigned) -> dict[str, str]:
    return {pair.a.name: pair.b.name for pair in found.pairing.pairs}


def trained_on(values: Values, amount: float, seed: int = 9) -> Values:
    """The same weights after more training: every tensor has moved by a share of its spread."""
    rng = np.random.default_rng(seed)
    moved = {}
    for name, tensor in values.items():
        moved[name] = (tensor + amount * tensor.std() * rng.standard_normal(tensor.shape)).astype(np.float32)
    return moved


def shuffled_names(values: Values, seed: int = 0) -> tuple[Values, dict[str, str]]:
    """The same tensors under meaningless names, in another order, and which is which."""
    order = np.random.default_rng(seed).permutation(len(values))
    becomes = {name: f"tensor_{chr(97 + k // 26)}{chr(97 + k % 26)}" for name, k in zip(values, order, strict=True)}
    return {becomes[name]: values[name] for name in sorted(values, key=becomes.__getitem__)}, becomes


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("family", [lambda: LLAMA, architectures.gpt2, architectures.bert, architectures.resnet])
def test_names_that_mean_nothing_are_resolved(family: Callable[[], dict[str, tuple[int, ...]]], amount: float) -> None:
    original = {name: values for name, values in gaussian(family(), 0).items() if values.size > 256}
    other, becomes = shuffled_names(trained_on(original, amount))
    found = assigned(original, other)
    assert names(found) == becomes
    assert found.pairing.searched


def test_norms_that_were_exchanged_are_put_right() -> None:
    original = gaussian(LLAMA, 0)
    other = {
        name.replace("input_layernorm", "second").replace("post_attention_layernorm", "first"): values
        for name, values in original.items()
    }
    found = assigned(original, other)
    for layer in range(3):
        at = f"model.layers.{layer}"
        assert names(found)[f"{at}.input_layernorm.weight"] == f"{at}.second.weight"
        assert names(found)[f"{at}.post_attention_layernorm.weight"] == f"{at}.first.weight"
    settled = [pair for pair in found.pairing.pairs if pair.renamed]
    assert {pair.basis for pair in settled} == {PairBasis.WEIGHTS}
    assert not any(pair.ambiguous for pair in settled)
    assert found.undecided == 0


def test_strangers_stay_undecided() -> None:
    one = gaussian(LLAMA, 0)
    other, _ = shuffled_names(gaussian(LLAMA, 1))
    found = assigned(one, other)
    assert not any(pair.basis is PairBasis.WEIGHTS for pair in found.pairing.pairs)
    assert not found.pairing.searched
    assert found.undecided > 0
    assert any(pair.ambiguous for pair in found.pairing.pairs)


def test_equal_names_are_not_questioned() -> None:
    one, other = gaussian(LLAMA, 0), gaussian(LLAMA, 0)
    first, second = (f"model.layers.{layer}.mlp.up_proj.weight" for layer in (0, 1))
    other[first], other[second] = other[second], other[first]
    found = assigned(one, other)
    assert names(found) == {name: name for name in one}
    assert found.undecided == 0


def test_too_many_alike_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = np.random.default_rng(0).standard_normal((16, 16))
    one = {f"a{k}q.w": copy for k in range(5)}
    other, _ = shuffled_names(one)
    assert assigned(one, other).crowded == ()
    monkeypatch.setattr("fingerprints.kernels.partners.MOST", 4)
    assert assigned(one, other).crowded == ("16x16",)


def test_what_cannot_be_read_or_compared_is_left_undecided() -> None:
    rng = np.random.default_rng(0)
    one = {"first.w": rng.standard_normal((64, 64)), "second.w": rng.standard_normal((64, 64))}
    other = {"third.v": one["first.w"], "fourth.v": one["second.w"] * np.nan}
    found = assigned(one, other)
    assert names(found)["first.w"] == "third.v"
    left, right = InMemory(one), InMemory({"third.v": one["first.w"], "fourth.v": one["second.w"]}, broken=["fourth.v"])
    found = assign(pair_parts(build_anatomy(left), build_anatomy(right)), left, right)
    assert names(found)["first.w"] == "third.v"


def test_complex_tensors_among_real_ones_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    real = {f"{name}.w": rng.standard_normal((16, 16)) for name in ("one", "two")}
    mixed = {"three.w": real["one.w"].astype(np.complex64), "four.w": real["two.w"]}
    assert len(assigned(real, mixed).pairing.pairs) == 2


@pytest.mark.parametrize("length", [48, 96, 384])
def test_vectors_alone_are_resolved_however_short(length: int) -> None:
    """Gains and biases whose names say nothing, after a fine-tune of a tenth of their spread."""
    rng = np.random.default_rng(0)
    original = {f"bias{k}q": rng.standard_normal(length) for k in range(20)}
    original |= {f"gain{k}q": 1 + 0.05 * rng.standard_normal(length) for k in range(20)}
    other, becomes = shuffled_names(trained_on(original, 0.1))
    found = assigned(original, other)
    assert names(found) == becomes
    assert {pair.basis for pair in found.pairing.pairs} == {PairBasis.WEIGHTS}


def test_constants_find_equal_constants() -> None:
    original = gaussian(LLAMA, 0)
    for layer in range(3):
        original[f"model.layers.{layer}.input_layernorm.weight"] = np.ones(64, np.float32)
        original[f"model.layers.{layer}.post_attention_layernorm.weight"] = np.zeros(64, np.float32)
    other, _ = shuffled_names(original)
    found = assigned(original, other)
    assert len(found.pairing.pairs) == len(original)
    for pair in found.pairing.pairs:
        assert np.array_equal(original[pair.a.name], other[pair.b.name])


def test_biases_follow_the_norm_that_was_found() -> None:
    """Zero at first, changed by training: nothing but their module tells whose they are."""
    rng = np.random.default_rng(0)
    one = {f"old.ln{k}.weight": 1 + 0.1 * rng.standard_normal(96) for k in range(6)}
    one |= {f"old.ln{k}.bias": np.zeros(96) for k in range(6)}
    becomes = {f"old.ln{k}.{leaf}": f"new.scale{'fbdace'[k]}.{leaf}" for k in range(6) for leaf in ("weight", "bias")}
    other = {new: one[old] + 0.01 * rng.standard_normal(96) for old, new in becomes.items()}
    assert names(assigned(one, other)) == becomes


def test_what_the_weights_leave_open_goes_to_the_closest_and_is_marked() -> None:
    original = gaussian(LLAMA, 0)
    gains = [name for name in original if "norm" in name]
    other, becomes = shuffled_names(
        {
            name: (
                each
                + (0.3 if name in gains else 0.1) * each.std() * np.random.default_rng(k).standard_normal(each.shape)
            ).astype(np.float32)
            for k, (name, each) in enumerate(original.items())
        }
    )
    found = assigned(
        {name: each[:20] if name in gains else each for name, each in original.items()},
        {new: other[new][:20] if old in gains else other[new] for old, new in becomes.items()},
    )
    short = [pair for pair in found.pairing.pairs if pair.a.name in gains]
    assert names(found) == becomes
    assert any(pair.basis is PairBasis.SHAPE and pair.ambiguous for pair in short)
    assert found.undecided == sum(pair.basis is PairBasis.SHAPE for pair in short)


def test_layers_in_another_order_under_other_names() -> None:
    original = gaussian(llama_shapes(layers=6, hidden=64, mlp=96, heads=4, kv_heads=4, vocabulary=128), 0)
    order = [3, 0, 5, 1, 4, 2]
    becomes = {
        name: re.sub(r"layers\.(\d)", lambda found: f"cell.{order[int(found[1])]}", name).replace("_proj", "x")
        for name in original
    }
    later = trained_on(original, 0.1)
    assert names(assigned(original, {becomes[name]: later[name] for name in sorted(later)})) == becomes


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [3, 0, 5, 1, 4, 2]])
def test_layers_follow_one_matrix_of_theirs_where_only_a_prefix_was_renamed(order: list[int]) -> None:
    original = gaussian(llama_shapes(layers=6, hidden=64, mlp=96, heads=4, kv_heads=4, vocabulary=128), 0)
    becomes = {
        name: re.sub(r"model.layers\.(\d)", lambda found: f"net.cell.{order[int(found[1])]}", name) for name in original
    }
    later = trained_on(original, 0.1)
    found = assigned(original, {becomes[name]: later[name] for name in sorted(later)})
    assert names(found) == becomes
    assert found.pairing.searched is (order != sorted(order))
    other = assigned(original, {becomes[name]: each for name, each in gaussian(original_shapes(original), 1).items()})
    assert not other.pairing.searched
    assert other.undecided == 0
    assert {pair.basis for pair in other.pairing.pairs if pair.renamed} == {PairBasis.PREFIX}


def original_shapes(values: Values) -> dict[str, tuple[int, ...]]:
    return {name: each.shape for name, each in values.items()}


def test_a_slice_of_a_deeper_model_keeps_its_layers_though_ranks_say_otherwise() -> None:
    deep = gaussian(llama_shapes(layers=5, hidden=64, mlp=96, heads=4, kv_heads=4, vocabulary=128), 0)
    first = {name: each for name, each in deep.items() if ".4." not in name}
    last = {name: each for name, each in trained_on(deep, 0.1).items() if ".0." not in name}
    found = names(assigned(first, last))
    matrices = [name for name in first if name in last and first[name].ndim == 2]
    assert {name: found[name] for name in matrices} == {name: name for name in matrices}


def disturbed(values: Values, seed: int) -> Values:
    """Every entry that only tests may see, replaced: all rows and columns of the other half."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, tensor in values.items():
        copy = tensor.copy()
        for axis in range(min(tensor.ndim, 2)):
            hidden = np.flatnonzero(in_half(np.arange(tensor.shape[axis]), Half.TEST))
            index = (slice(None),) * axis + (hidden,)
            copy[index] = 100 * rng.standard_normal(copy[index].shape)
        result[name] = copy
    return result


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1.5))
def test_values_kept_for_the_tests_never_change_the_assignment(seed: int, amount: float) -> None:
    one = gaussian(LLAMA, seed % 1000)
    other, _ = shuffled_names(trained_on(one, amount, seed), seed)
    before = assigned(one, other)
    after = assigned(disturbed(one, seed), disturbed(other, seed + 1))
    assert names(after) == names(before)
    assert [pair.basis for pair in after.pairing.pairs] == [pair.basis for pair in before.pairing.pairs]


def test_only_rows_of_the_searched_half_are_read() -> None:
    one = gaussian(LLAMA, 0)
    other, _ = shuffled_names(one)
    left, right = InMemory(one), InMemory(other)
    assign(pair_parts(build_anatomy(left), build_anatomy(right)), left, right)
    assert left.taken
    assert right.taken
    for _, rows in (*left.taken, *right.taken):
        assert in_half(np.array(rows), Half.SEARCH).all()


def test_leftovers_are_paired_in_one_order_whatever_the_files_say() -> None:
    one = {f"a.{name}.w": np.zeros((2, 2)) for name in ("x2", "x10", "x1")}
    other = {f"b.{name}.v": np.zeros((2, 2)) for name in ("y3", "y20", "y1")}
    expected = {"a.x1.w": "b.y1.v", "a.x2.w": "b.y3.v", "a.x10.w": "b.y20.v"}
    assert names(assigned(one, other)) == expected
    assert names(assigned(dict(reversed(one.items())), dict(sorted(other.items())))) == expected
