"""Every way to add up blocks against sums taken element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.kernels.block_sums import BlockKernel, Sum, add, exact_sums, largest_change, nothing
from fingerprints.kernels.plain_blocks import PlainBlocks

BF16, E4M3 = np.dtype(ml_dtypes.bfloat16), np.dtype(ml_dtypes.float8_e4m3fn)
FLOATS = [BF16, np.dtype(np.float16), np.dtype(np.float32)]
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 3e38, -3e38, 1e-40, 6e-8, 65504.0, -2.5]


class Exact:
    name, block_bytes = "exact", 1 << 20

    def sums(self, a: Any, b: Any) -> Any:
        return exact_sums(a, b)


def compiled() -> BlockKernel:
    pytest.importorskip("numba")
    from fingerprints.kernels.compiled_blocks import CompiledBlocks

    return CompiledBlocks()


def on_torch() -> BlockKernel:
    from fingerprints.kernels.torch_blocks import TorchBlocks

    return TorchBlocks("cpu")


KERNELS: dict[str, Callable[[], BlockKernel]] = {
    "exact": Exact,
    "plain": PlainBlocks,
    "compiled": compiled,
    "torch": on_torch,
}


def one_by_one(a: Any, b: Any) -> list[float]:
    """The sums as their definitions have them, in Python's own arithmetic."""
    pairs = [(float(x), float(y)) for x, y in zip(a, b, strict=True)]
    finite = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    bits = 0
    if a.dtype == b.dtype:
        bits = sum(
            (int.from_bytes(x.tobytes(), "little") ^ int.from_bytes(y.tobytes(), "little")).bit_count()
            for x, y in zip(a, b, strict=True)
        )
    return [
        math.fsum(x * x for x, _ in finite),
        math.fsum(y * y for _, y in finite),
        math.fsum(x * y for x, y in finite),
        math.fsum((y - x) ** 2 for x, y in finite),
        sum(x == y or (math.isnan(x) and math.isnan(y)) for x, y in pairs),
        sum((x < 0 < y) or (y < 0 < x) for x, y in pairs),
        sum(x == 0 for x, _ in pairs),
        sum(y == 0 for _, y in pairs),
        sum(x == 0 == y for x, y in pairs),
        sum(not math.isfinite(x) for x, _ in pairs),
        sum(not math.isfinite(y) for _, y in pairs),
        bits,
        max((abs(y - x) for x, y in finite), default=0.0),
    ]


UNDERFLOW = 1e-60
"""Squares of numbers below the smallest normal float32 may be lost."""


def assert_right(found: Any, a: Any, b: Any) -> None:
    expected = one_by_one(a, b)
    scale = math.sqrt(expected[Sum.XX] * expected[Sum.YY])
    for place in Sum:
        slack = 2e-6 * max(scale, expected[Sum.XX], expected[Sum.YY]) if place < Sum.EQUAL else 0.0
        slack = max(slack, UNDERFLOW) if place < Sum.EQUAL else slack
        if place is Sum.PEAK:
            slack = 2e-7 * expected[place]
        assert found[place] == pytest.approx(expected[place], rel=2e-6 if slack else 0, abs=slack), place.name


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("count", [1, 7, 64, 4096, 9001])
@pytest.mark.parametrize(("type_a", "type_b"), [(a, b) for a in FLOATS for b in FLOATS])
def test_sums_are_those_of_the_elements(kernel: str, count: int, type_a: Any, type_b: Any) -> None:
    rng = np.random.default_rng(count)
    a = 0.02 * rng.standard_normal(count)
    b = (a + 0.01 * rng.standard_normal(count)).astype(type_b)
    a = a.astype(type_a)
    assert_right(KERNELS[kernel]().sums(a, b), a, b)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_zeros_of_both_signs_and_flips(kernel: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.choice([0.0, -0.0, 0.5, -0.5, 1e-30], 5000).astype(dtype) for _ in range(2))
    assert_right(KERNELS[kernel]().sums(a, b), a, b)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_values_that_are_not_finite_and_squares_that_overflow(kernel: str, data: Any) -> None:
    dtype = data.draw(st.sampled_from(FLOATS))
    values = st.lists(st.sampled_from(SPECIAL), min_size=12, max_size=12)
    with np.errstate(over="ignore"):
        a, b = (np.array(data.draw(values)).astype(dtype) for _ in range(2))
    assert_right(KERNELS[kernel]().sums(a, b), a, b)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "dtype", [E4M3, np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.float64)]
)
def test_other_types(kernel: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    a, b = (np.rint(8 * rng.standard_normal(333)).clip(0, 100).astype(dtype) for _ in range(2))
    assert_right(KERNELS[kernel]().sums(a, b), a, b)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_is_not_changed_by_what_it_saw(kernel: str) -> None:
    rng = np.random.default_rng(2)
    some = rng.standard_normal(5000).astype(np.float32)
    other = np.where(rng.random(5000) < 0.3, 0, rng.standard_normal(5000)).astype(np.float32)
    used = KERNELS[kernel]()
    first = used.sums(some, other).copy()
    used.sums(other[:100], some[:100])
    assert (used.sums(some, other) == first).all()


def test_adding_up_keeps_the_largest_change() -> None:
    total, block = nothing(), np.arange(len(Sum), dtype=np.float64)
    add(total, block)
    add(total, block / 2)
    assert total[Sum.DD] == 1.5 * Sum.DD
    assert total[Sum.PEAK] == Sum.PEAK


def test_the_largest_change_is_the_first_of_equals_and_finite() -> None:
    a = np.zeros(6, np.float32)
    b = np.array([0, math.inf, -3, 3, math.nan, 1], np.float32)
    assert largest_change(a, b) == 2
