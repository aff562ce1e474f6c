"""Rows of one token, found by name and by content: known orders come back, and strangers have nothing in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.alignment.vocabulary import centred, match_rows, match_tokens
from fingerprints.tokens import Tokens

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((300, 48)).astype(np.float32)


def tokens(*texts: bytes | None) -> Tokens:
    return Tokens(texts=texts, source="tokenizer.json")


def noisy(rows: np.ndarray, cosine: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(rows.shape)
    return (cosine * rows + np.sqrt(1 - cosine**2) * noise).astype(np.float32)


@given(st.lists(st.one_of(st.none(), st.binary(max_size=2)), max_size=30), st.randoms())
def test_tokens_of_equal_text_meet_whatever_their_order(texts: list[bytes | None], random) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)
    found = match_tokens(tokens(*texts), tokens(*(texts[old] for old in order)))
    assert len(found.a) == len({text for text in texts if text is not None})
    assert (np.diff(found.a) > 0).all()
    for x, y in zip(found.a, found.b, strict=True):
        assert texts[x] == texts[order[y]]


def test_ids_beyond_the_rows_are_left_out() -> None:
    found = match_tokens(tokens(b"a", b"b", b"c"), tokens(b"c", b"b", b"a"), (3, 2))
    assert (found.a.tolist(), found.b.tolist()) == ([1, 2], [1, 0])
    assert (found.units_a, found.units_b) == (3, 2)


@pytest.mark.parametrize("cosine", [1.0, 0.9])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_rows_in_another_order_are_found(cosine: float, shift: float) -> None:
    """Whatever one vector is added to all of them, and with rows that only one side has."""
    order = RNG.permutation(300)[:220]
    other = np.concatenate([noisy(ROWS[order], cosine), RNG.standard_normal((50, 48)).astype(np.float32)]) + shift
    found = match_rows(ROWS, other.astype(np.float32))
    assert len(found.a) >= 0.98 * len(order)
    assert (found.b < 220).all()
    assert (order[found.b] == found.a).all()


def test_a_large_table_is_matched_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    other = noisy(ROWS[::-1], 0.9)
    whole = match_rows(ROWS, other)
    monkeypatch.setattr("fingerprints.alignment.vocabulary.BLOCK", 1000)
    blocks = match_rows(ROWS, other)
    assert (whole.a.tolist(), whole.b.tolist()) == (blocks.a.tolist(), blocks.b.tolist())
    assert len(whole.a) > 290


def test_rows_of_strangers_have_no_counterpart() -> None:
    assert len(match_rows(ROWS, np.random.default_rng(5).standard_normal((300, 48)).astype(np.float32)).a) <= 3


def test_equal_rows_keep_their_order() -> None:
    padded = np.concatenate([ROWS[:10], np.zeros((3, 48), np.float32)])
    found = match_rows(padded, padded[::-1].copy())
    assert found.a.tolist() == list(range(13))
    assert found.b.tolist() == [*range(12, 2, -1), 0, 1, 2]


def test_values_that_are_no_numbers_spoil_only_their_row() -> None:
    broken = ROWS.copy()
    broken[7] = np.nan
    found = match_rows(broken, noisy(ROWS, 0.9))
    assert 7 not in found.a
    assert len(found.a) > 290
    assert np.isfinite(centred(broken)).all()
