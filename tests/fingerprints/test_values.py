"""Widening is exact, and equality is equality after rounding to the narrower type."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fingerprints.values import count_equal, narrower, widened

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = {"F64": np.dtype(np.float64), "F32": np.dtype(np.float32), "F16": np.dtype(np.float16), "BF16": BF16}
FP8 = {"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E8M0": ml_dtypes.float8_e8m0fnu}


def bits(kind: str, patterns: list[int]) -> np.ndarray:
    """Values of a float type by bit pattern."""
    return np.array(patterns, dtype=f"u{FLOATS[kind].itemsize}").view(FLOATS[kind])


def patterns(kind: str) -> st.SearchStrategy[np.ndarray]:
    """Any values of a float type, special ones included."""
    size = FLOATS[kind].itemsize
    return hnp.arrays(f"u{size}", st.integers(1, 30)).map(lambda values: values.view(FLOATS[kind]))


def float64(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


@pytest.mark.parametrize("dtype", [BF16, np.float16, *FP8.values(), ml_dtypes.float8_e4m3fnuz, np.int16, np.uint8])
def test_every_value_of_a_narrow_type_is_widened_exactly(dtype: object) -> None:
    dtype = np.dtype(dtype)
    values = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype)
    wide = widened(values)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(float64(wide), float64(values))


def test_complex_numbers_become_pairs() -> None:
    found = widened(np.array([[1 + 2j, 3 - 4j]], dtype=np.complex64))
    assert found.tolist() == [[[1, 2], [3, -4]]]


def test_widening_overflows_to_infinity_without_a_warning() -> None:
    assert widened(np.array([1e300, -1e300, np.nan])).tolist()[:2] == [np.inf, -np.inf]


@pytest.mark.parametrize("kind", FLOATS)
@given(data=st.data())
def test_a_tensor_equals_itself(kind: str, data: st.DataObject) -> None:
    values = data.draw(patterns(kind))
    assert count_equal(values, values.copy(), kind, kind) == (len(values), len(values), 0, 0)


@pytest.mark.parametrize(
    ("wide", "narrow"), [("F64", "F32"), ("F32", "F16"), ("F32", "BF16"), ("F64", "BF16"), ("F16", "BF16")]
)
@given(data=st.data())
def test_a_tensor_equals_its_rounding_unless_it_overflows(wide: str, narrow: str, data: st.DataObject) -> None:
    values = data.draw(patterns(wide))
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = values.astype(FLOATS[narrow])
    fits = np.isinf(float64(rounded)) == np.isinf(float64(values))
    for found in (count_equal(values, rounded, wide, narrow), count_equal(rounded, values, narrow, wide)):
        assert found[0] == fits.sum()
    assert narrower(wide, narrow) == narrower(narrow, wide) == narrow


@pytest.mark.parametrize(
    ("one", "other"), [("F32", "F32"), ("F16", "F16"), ("BF16", "BF16"), ("F32", "BF16"), ("F64", "F32")]
)
@given(data=st.data())
def test_equality_is_symmetric_and_bounded(one: str, other: str, data: st.DataObject) -> None:
    a, b = data.draw(patterns(one)), data.draw(patterns(other))
    size = min(len(a), len(b))
    found, back = count_equal(a[:size], b[:size], one, other), count_equal(b[:size], a[:size], other, one)
    assert found == (*back[:2], back[3], back[2])
    exact, close, lost_a, lost_b = found
    assert 0 <= exact <= close <= size
    assert 0 <= min(lost_a, lost_b) <= max(lost_a, lost_b) <= size


def test_what_underflows_in_f16_is_equal_to_its_bf16_original_and_what_overflows_is_not() -> None:
    values = np.array([1e-9, 3e-8, 1.5, 70_000.0, *[0.25] * 36]).astype(BF16)
    with np.errstate(over="ignore"):
        cast = values.astype(np.float16)
    assert count_equal(values, cast, "BF16", "F16") == (39, 39, 3, 0)
    assert count_equal(cast, values, "F16", "BF16") == (39, 39, 0, 3)


@pytest.mark.parametrize("kind", FLOATS)
def test_one_unit_in_the_last_place_is_close_and_two_are_not(kind: str) -> None:
    one = int(np.array([1.0]).astype(FLOATS[kind]).view(f"u{FLOATS[kind].itemsize}")[0])
    base = bits(kind, [one] * 19)
    for step, close in ((0, 20), (1, 20), (-1, 20), (2, 19), (-2, 19)):
        b = bits(kind, [one] * 19 + [one + step])
        assert count_equal(np.append(base, base[:1]), b, kind, kind)[:2] == (19 + (step == 0), close)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_the_smallest_numbers_of_both_signs_are_two_units_apart(kind: str) -> None:
    size = FLOATS[kind].itemsize
    sign = 1 << (8 * size - 1)
    zeros = [0] * 19
    assert count_equal(bits(kind, [*zeros, 1]), bits(kind, [*zeros, sign]), kind, kind)[:2] == (19, 20)
    assert count_equal(bits(kind, [*zeros, 1]), bits(kind, [*zeros, sign | 1]), kind, kind)[:2] == (19, 19)


@pytest.mark.parametrize("kind", FLOATS)
def test_zero_has_no_sign_and_not_a_number_equals_itself(kind: str) -> None:
    a = np.array([0.0, -0.0, np.nan, np.nan, np.inf, 1.0]).astype(FLOATS[kind])
    b = np.array([-0.0, 0.0, np.nan, -np.nan, np.inf, 1.0]).astype(FLOATS[kind])
    assert count_equal(a, b, kind, kind)[:2] == (6, 6)
    assert count_equal(a[2:3], a[4:5], kind, kind)[:2] == (0, 0)
    assert count_equal(a[4:5], -a[4:5], kind, kind)[:2] == (0, 0)


def test_overflow_in_the_narrower_type_is_unequal() -> None:
    wide = np.full(20, 1.0, np.float32)
    wide[-1] = 1e30
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float16)
    assert np.isinf(narrow[-1])
    assert count_equal(wide, narrow, "F32", "F16")[:2] == (19, 19)
    assert count_equal(np.array([np.inf], np.float32), narrow[-1:], "F32", "F16")[:2] == (1, 1)


def test_rounding_that_lost_something_is_counted() -> None:
    a = np.array([1.0, 1.0 + 2**-20, 0.1, 2.0], np.float32)
    assert count_equal(a, a.astype(BF16), "F32", "BF16") == (4, 4, 2, 0)
    assert count_equal(a.astype(BF16), a, "BF16", "F32") == (4, 4, 0, 2)


@pytest.mark.parametrize("kind", FP8)
def test_eight_bits_are_only_equal_to_their_own_kind(kind: str) -> None:
    values = np.array([1.0, 2.0, 0.5]).astype(FP8[kind])
    assert count_equal(values, values.copy(), kind, kind) == (3, 3, 0, 0)
    for other in FLOATS:
        assert count_equal(values, values.astype(FLOATS[other]), kind, other) == (0, 0, 0, 0)
    for other in FP8.keys() - {kind}:
        assert count_equal(values, values.astype(np.float32).astype(FP8[other]), kind, other) == (0, 0, 0, 0)


def test_integers_are_equal_by_their_bytes() -> None:
    a, b = np.array([[1, 2], [3, 4]], np.int32), np.array([[1, 2], [3, 5]], np.int32)
    assert count_equal(a, b, "I32", "I32") == (3, 3, 0, 0)
