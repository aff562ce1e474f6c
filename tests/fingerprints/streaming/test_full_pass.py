"""The full pass against numpy in float64, and against itself on other threads, segments and ways of reading."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CorruptCheckpoint
from fingerprints.kernels import block_sums
from fingerprints.pairing import Pair, pair_parts
from fingerprints.readers import open_checkpoint
from fingerprints.signals.tensor_digest import full_equality
from fingerprints.streaming import FullPass, PassSettings, full_pass
from tests.in_memory import InMemory

module = importlib.import_module("fingerprints.streaming.full_pass")
BF16 = ml_dtypes.bfloat16


def pairs_of(a: Checkpoint, b: Checkpoint) -> tuple[Pair, ...]:
    return pair_parts(build_anatomy(a), build_anatomy(b)).pairs


def run(a: Checkpoint, b: Checkpoint, **settings: Any) -> FullPass:
    return full_pass(pairs_of(a, b), a, b, PassSettings(**settings))


def tensors(seed: int, dtype: Any = np.float32) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {"deep.weight": (70, 130), "flat.weight": (301,), "conv.weight": (8, 5, 3, 3), "one": ()}
    return {name: (0.02 * rng.standard_normal(shape)).astype(dtype) for name, shape in shapes.items()}


def changed(values: dict[str, Any], seed: int, size: float) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        name: (each.astype(np.float64) + size * rng.standard_normal(each.shape)).astype(each.dtype)
        for name, each in values.items()
    }


@pytest.fixture
def on_disk(tmp_path: Path) -> Any:
    """Writes tensors and opens them."""
    opened = []

    def write(values: dict[str, Any]) -> Checkpoint:
        path = tmp_path / f"{len(opened)}.safetensors"
        save_file({name: np.array(each, order="C") for name, each in values.items()}, path)
        opened.append(open_checkpoint(path))
        return opened[-1]

    yield write
    for each in opened:
        each.close()


def test_statistics_are_those_of_the_definitions(on_disk) -> None:
    values = tensors(1)
    others = changed(values, 2, 0.01)
    others["deep.weight"][5, 7] = 3.0
    values["deep.weight"][:9] = 0.0
    others["deep.weight"][:4] = 0.0
    others["flat.weight"][100:] = values["flat.weight"][100:]
    found = {each.pair.a.name: each for each in run(on_disk(values), on_disk(others)).statistics}
    assert set(found) == set(values)
    for name, each in found.items():
        x, y = (side[name].astype(np.float64).ravel() for side in (values, others))
        assert each.elements == x.size
        assert each.cosine == pytest.approx(x @ y / np.sqrt((x @ x) * (y @ y)), rel=1e-6)
        assert each.relative_change == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x), rel=1e-6)
        assert each.max_abs_change == pytest.approx(np.abs(y - x).max(), rel=1e-6)
        assert each.max_at == tuple(map(int, np.unravel_index(np.abs(y - x).argmax(), values[name].shape)))
        assert each.equal_share == np.mean(x == y)
        assert each.sign_flips == np.mean(x * y < 0)
        assert (each.zeros_a, each.zeros_b) == (np.mean(x == 0), np.mean(y == 0))
        assert each.zeros_both == np.mean((x == 0) & (y == 0))
        stored = values[name].view(np.uint32) ^ others[name].view(np.uint32)
        assert each.bit_distance == pytest.approx(np.bitwise_count(stored).mean())


def test_numbers_do_not_depend_on_threads_or_on_how_values_are_read(on_disk, monkeypatch) -> None:
    monkeypatch.setattr(module, "SEGMENT", 1000)
    values = tensors(3, BF16)
    others = changed(values, 4, 0.005)
    a, b = on_disk(values), on_disk(others)
    one = run(a, b, threads=1)
    assert run(a, b, threads=3) == one
    whole = run(InMemory(values), InMemory(others)).statistics
    by_name = {each.pair.a.name: each for each in whole}
    for each in one.statistics:
        other = by_name[each.pair.a.name]
        assert other.max_at == each.max_at
        assert other.equality == each.equality
        assert other.cosine == pytest.approx(each.cosine, rel=1e-6)
        assert other.bit_distance == each.bit_distance


def test_everything_is_read_once(on_disk, monkeypatch) -> None:
    monkeypatch.setattr(module, "SEGMENT", 777)
    values = tensors(5)
    a, b = on_disk(values), on_disk(changed(values, 6, 0.1))
    told: list[int] = []
    full_pass(pairs_of(a, b), a, b, PassSettings(threads=2), told.append)
    assert (a.bytes_read, b.bytes_read) == (a.bytes_total, b.bytes_total)
    assert sum(told) == a.bytes_total + b.bytes_total


def nudged(values: Any) -> Any:
    """The same with the last stored bit of one value in a hundred flipped."""
    copy = values.copy().ravel()
    copy.view(np.uint16)[::100] ^= 1
    return copy.reshape(values.shape)


@pytest.mark.parametrize("case", ["same", "cast", "nudged", "light", "stranger", "nan"])
def test_equality_is_the_one_that_verdicts_rest_on(case: str, on_disk, monkeypatch) -> None:
    monkeypatch.setattr(module, "SEGMENT", 1000)
    values = tensors(7, BF16)
    others = {
        "same": lambda: values,
        "cast": lambda: {name: each.astype(np.float32) for name, each in values.items()},
        "nudged": lambda: {name: nudged(each) for name, each in values.items()},
        "light": lambda: changed(values, 8, 1e-5),
        "stranger": lambda: tensors(9, BF16),
        "nan": lambda: values,
    }[case]()
    if case == "nan":
        values["deep.weight"][3] = others["deep.weight"][3] = np.nan
    a, b = on_disk(values), on_disk(others)
    for each in run(a, b).statistics:
        expected = full_equality(each.pair, a, b)
        assert each.equality.identical == expected.identical
        if expected.identical:
            assert each.equality == expected


def test_a_cast_says_what_it_lost(on_disk) -> None:
    values = tensors(10)
    a, b = on_disk(values), on_disk({name: each.astype(BF16) for name, each in values.items()})
    deep = next(each for each in run(a, b).statistics if each.pair.a.name == "deep.weight")
    assert deep.equality.identical
    assert deep.equality.lost_b == 0
    assert deep.equality.lost_a > 8000
    assert deep.bit_distance is None


def test_complex_numbers_are_two_real_ones() -> None:
    values = np.array([1 + 2j, 3 - 1j, 0 + 1j], np.complex64)
    others = np.array([1 + 2j, 3 + 1j, 0 + 1j], np.complex64)
    (found,) = run(InMemory({"w": values}), InMemory({"w": others})).statistics
    assert (found.elements, found.sign_flips, found.equal_share) == (6, 1 / 6, 5 / 6)
    assert found.max_at == (1,)


def test_what_cannot_be_compared_is_left_out_with_a_reason() -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.standard_normal((4, 4)).astype(np.float32) for name in ("a.weight", "b.weight", "c.weight")}
    others = {**values, "b.weight": rng.standard_normal((4, 6)).astype(np.float32)}
    a, b = InMemory(values, broken=["c.weight"]), InMemory(others)
    found = run(a, b)
    assert [each.pair.a.name for each in found.statistics] == ["a.weight"]
    reasons = {pair.a.name: reason for pair, reason in found.left_out}
    assert reasons == {
        "b.weight": "the two sides have different shapes",
        "c.weight": "the tensor c.weight cannot be read",
    }


def test_after_the_deadline_nothing_is_begun(on_disk) -> None:
    a, b = on_disk(tensors(1)), on_disk(tensors(2))
    found = run(a, b, deadline=time.monotonic() - 1)
    assert found.statistics == ()
    assert {reason for _, reason in found.left_out} == {"the time limit was reached"}
    assert a.bytes_read == 0


def test_an_interrupt_ends_the_pass(on_disk, monkeypatch) -> None:
    monkeypatch.setattr(module, "SEGMENT", 10)
    a, b = on_disk(tensors(1)), on_disk(tensors(2))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full_pass(pairs_of(a, b), a, b, PassSettings(threads=2), interrupt)
    assert a.bytes_read < a.bytes_total / 2


def test_a_file_that_is_cut_short_meanwhile_is_an_error(on_disk, tmp_path: Path) -> None:
    a, b = on_disk(tensors(1)), on_disk(tensors(2))
    pairs = pairs_of(a, b)
    with (tmp_path / "1.safetensors").open("r+b") as file:
        file.truncate(500)
    with pytest.raises(CorruptCheckpoint):
        full_pass(pairs, a, b, PassSettings())


def test_a_device_gives_the_same_numbers(on_disk, monkeypatch) -> None:
    from fingerprints.kernels.torch_blocks import TorchBlocks

    monkeypatch.setattr(module, "_kernel_for", lambda device, elements: lambda: TorchBlocks("cpu"))
    values = tensors(11, BF16)
    a, b = on_disk(values), on_disk(changed(values, 12, 0.01))
    by_torch = run(a, b)
    monkeypatch.undo()
    for one, other in zip(by_torch.statistics, run(a, b).statistics, strict=True):
        assert one.cosine == pytest.approx(other.cosine, rel=1e-4)
        assert one.relative_change == pytest.approx(other.relative_change, rel=1e-4)
        assert replace(one, cosine=None, relative_change=None) == replace(other, cosine=None, relative_change=None)


def test_the_spectrum_of_a_change_of_rank_one(on_disk) -> None:
    values = tensors(13)
    rng = np.random.default_rng(14)
    others = {**values, "deep.weight": values["deep.weight"] + np.outer(*map(rng.standard_normal, (70, 130)))}
    others["deep.weight"] = others["deep.weight"].astype(np.float32)
    found = {
        each.pair.a.name: each.spectrum for each in run(on_disk(values), on_disk(others), spectrum=True).statistics
    }
    assert found["conv.weight"] is found["flat.weight"] is None
    assert found["deep.weight"].effective_rank == pytest.approx(1, abs=1e-4)
    assert found["deep.weight"].energy == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("rows_first", [True, False])
def test_a_change_that_is_too_large_to_hold_is_read_again_and_again(rows_first: bool, monkeypatch) -> None:
    changes = importlib.import_module("fingerprints.streaming.change_spectrum")
    monkeypatch.setattr(changes, "HELD_ELEMENTS", 0)
    monkeypatch.setattr(changes, "BLOCK_ELEMENTS", 4000)
    shape = (600, 700) if rows_first else (700, 600)
    rng = np.random.default_rng(15)
    x = rng.standard_normal(shape).astype(np.float32)
    y = (x + rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))).astype(np.float32)
    (found,) = run(InMemory({"w": x}), InMemory({"w": y}), spectrum=True).statistics
    energies = np.linalg.svd(y.astype(np.float64) - x, compute_uv=False) ** 2
    assert found.spectrum is not None
    assert found.spectrum.stable_rank == pytest.approx(energies.sum() / energies[0], rel=1e-3)


def test_sums_have_a_place_each() -> None:
    assert [place.value for place in block_sums.Sum] == list(range(13))
