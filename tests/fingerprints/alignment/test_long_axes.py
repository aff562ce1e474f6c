"""Units of axes too long to compare all with all: sampled, or compared in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.alignment.axis_map import Spare
from fingerprints.alignment.unit_map import MOST_UNITS, SOUGHT, Facing, match_units

LENGTH = MOST_UNITS + 904
FEATURES = 320


def drawn(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((length, FEATURES)).astype(np.float32)


@pytest.mark.parametrize("sample", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_permutation_is_found(sample: bool, noise: float) -> None:
    x = drawn(LENGTH, 1)
    order = np.random.default_rng(2).permutation(LENGTH)
    found = match_units([Facing(a=x, b=x[order] + noise * drawn(LENGTH, 3))], sample=sample)
    assert found is not None
    assert found.credible
    assert found.sought is None or not sample or SOUGHT <= found.sought < 2 * SOUGHT
    assert len(found.a) >= 0.95 * (found.sought or LENGTH)
    assert np.mean(order[found.b] == found.a) > 0.999
    assert (np.diff(found.a) > 0).all()
    assert found.stands_for == pytest.approx(LENGTH / (found.sought or LENGTH))


@pytest.mark.parametrize("swapped", [True, False])
def test_a_quarter_that_was_kept_is_found_from_either_side(swapped: bool) -> None:
    x = drawn(LENGTH, 1)
    kept = np.sort(np.random.default_rng(2).permutation(LENGTH)[: LENGTH // 4])
    y = x[kept] + 0.1 * drawn(len(kept), 3)
    found = match_units([Facing(a=y, b=x) if swapped else Facing(a=x, b=y)], sample=True)
    assert found is not None
    assert found.credible
    wide, narrow = (found.b, found.a) if swapped else (found.a, found.b)
    assert len(narrow) >= 0.99 * (found.sought or 0)
    assert (kept[narrow] == wide).all()
    assert found.spare is Spare.OTHER


@pytest.mark.parametrize(("spare", "kind"), [(np.zeros((500, FEATURES)), Spare.ZERO), (None, Spare.COPIES)])
def test_what_a_grown_axis_has_beyond_is_told_from_a_sample(spare: np.ndarray | None, kind: Spare) -> None:
    x = drawn(LENGTH, 1)
    added = x[:500] if spare is None else spare.astype(np.float32)
    found = match_units([Facing(a=x, b=np.concatenate([x, added]))], sample=True)
    assert found is not None
    assert found.spare is kind


@pytest.mark.parametrize("sample", [True, False])
def test_strangers_are_not_matched(sample: bool) -> None:
    found = match_units([Facing(a=drawn(LENGTH, 1), b=drawn(LENGTH, 2))], sample=sample)
    assert found is None or not found.credible
