"""One-to-one partners: against brute force over all assignments, and against a plain matrix of cosines."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.kernels import partners
from fingerprints.kernels.partners import likeliest, match


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def nothing(count: int) -> list[int]:
    return [-1] * count


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0, 2))
def test_the_likeliest_assignment_is_the_best_of_all(seed: int, count: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    likeness = rng.standard_normal((count, count)) + noise * np.eye(count)
    best = max(permutations(range(count)), key=lambda order: sum(likeness[i, j] for i, j in enumerate(order)))
    assert likeliest(likeness, now=nothing(count)) == tuple(enumerate(best))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0.0, 0.5), st.sampled_from([3, 1024]))
def test_shuffled_vectors_are_found_whatever_the_size_of_the_blocks(
    seed: int, count: int, noise: float, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 256))
    order = rng.permutation(count)
    y = (x + noise * rng.standard_normal(x.shape))[order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partners, "_ROWS_AT_ONCE", rows)
        found = match(unit(x), unit(y), least=0.4, now=nothing(count))
    assert {j: i for i, j in found.pairs} == dict(enumerate(order.tolist()))
    assert not found.doubtful


def test_vectors_without_a_counterpart_are_left() -> None:
    x = unit(np.random.default_rng(0).standard_normal((6, 256)))
    assert match(x[:4], x[2:], least=0.4, now=nothing(4)).pairs == ((2, 0), (3, 1))
    assert match(x[:3], x[3:], least=0.4, now=nothing(3)).pairs == ()
    assert match(x, np.zeros_like(x), least=0.4, now=nothing(6)).pairs == ()


def test_near_relatives_are_settled_together_where_the_greedy_choice_is_wrong() -> None:
    """Row 0 is most like column 1, which belongs to row 1; only the sum over both tells."""
    common = np.eye(8)[0] * 3
    x = unit(np.stack([common + np.eye(8)[1], common + np.eye(8)[2]]))
    y = unit(np.stack([common + 0.15 * np.eye(8)[1] + 0.9 * np.eye(8)[3], common + 0.3 * np.eye(8)[1] + np.eye(8)[2]]))
    c = x @ y.T
    assert c[0].argmax() == c[1].argmax() == 1
    assert match(x, y, least=0.5, now=nothing(2)).pairs == ((0, 0), (1, 1))


def test_equal_vectors_stay_where_they_are_and_are_doubtful() -> None:
    x = unit(np.repeat(np.random.default_rng(0).standard_normal((1, 64)), 4, axis=0))
    for now in ([3, 1, 0, 2], [0, 1, 2, 3]):
        found = match(x, x, least=0.5, now=now)
        assert [j for _, j in found.pairs] == now
        assert found.doubtful == {0, 1, 2, 3}


def test_a_crowd_of_equals_is_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partners, "MOST", 3)
    rng = np.random.default_rng(0)
    twins = unit(np.repeat(rng.standard_normal((1, 256)), 4, axis=0))
    alone = unit(rng.standard_normal((2, 256)))
    x = np.concatenate([twins, alone])
    found = match(x, x, least=0.4, now=nothing(6))
    assert found.crowded
    assert found.pairs == ((4, 4), (5, 5))
    assert likeliest(np.eye(4), now=nothing(4)) == ()
