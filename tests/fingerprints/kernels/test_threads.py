"""Narrow matrices are multiplied on one thread, wide ones on as many as before."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fingerprints.kernels.bases import WIDE
from fingerprints.kernels.threads import matrix_threads


def threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.mark.parametrize(("width", "inside"), [(0, 1), (WIDE, 1), (WIDE + 1, 2)])
def test_the_width_decides(width: int, inside: int) -> None:
    with threadpool_limits(limits=2):
        before = threads()
        if before != {2}:
            pytest.skip("the library of matrix products has one thread")
        with matrix_threads(width):
            assert threads() == {inside}
        assert threads() == before
