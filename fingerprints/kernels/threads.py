"""How many threads a matrix product may run on.

Threads of a linear algebra library spin while they wait for one another: on a machine that has other things to do, a
comparison of narrow models was five times as slow with two of them as with one. Only wide matrices repay them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits

from fingerprints.kernels.bases import WIDE


def matrix_threads(width: int) -> AbstractContextManager[object]:
    """A context in which products of matrices of up to this width run on one thread, and wider ones on as many as ever.

    Parameters
    ----------
    width : int
        Dimensions of the widest residual stream.
    """
    context: AbstractContextManager[object] = threadpool_limits(limits=None if width > WIDE else 1)
    return context
