"""What is put down to rounding, and what is training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fingerprints.checkpoint import Encoding
from provenance import compare
from provenance.kinds.quantised import LARGEST_ERROR, _error
from tests.checkpoints import write_values


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group", [32, 128, None])
def test_plain_rounding_is_never_more_than_the_bound(bits: int, group: int | None) -> None:
    values = np.random.default_rng(bits).standard_t(6, (64, 1024))
    grouped = values.reshape(64, -1, group or 1024)
    largest = np.abs(grouped).max(axis=-1, keepdims=True)
    step = largest / (2 ** (bits - 1) - 0.5)
    rounded = (np.round(grouped / step) * step).reshape(values.shape)
    change = np.linalg.norm(rounded - values) / np.linalg.norm(values)
    limit = _error(Encoding(scheme="x", bits=bits, group_size=group))
    assert change <= limit or limit == LARGEST_ERROR


def test_more_bits_leave_less() -> None:
    errors = [_error(Encoding(scheme="x", bits=bits, group_size=32)) for bits in (3, 4, 5, 8)]
    assert errors == sorted(errors, reverse=True)
    assert _error(None) < errors[-1]


def test_plain_floats_carry_no_word_of_quantisation(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {f"layers.{n}.weight": rng.standard_normal((64, 64)).astype(np.float32) for n in range(4)}
    rounded = {name: (np.round(value * 20) / 20).astype(np.float32) for name, value in weights.items()}
    a, b = write_values(tmp_path / "a", weights), write_values(tmp_path / "b", rounded)
    assert "quantised" not in {kind.kind for kind in compare(a, b).verdict.kinds}
