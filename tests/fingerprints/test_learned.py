"""What was computed is set aside, what was trained is not; from whole tensors and from sampled rows."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.learned import why_not_learned
from fingerprints.sampling import units
from fingerprints.values import widened

Make = Callable[[], np.ndarray]


def sinusoids(length: int, width: int, *, interleaved: bool) -> np.ndarray:
    """Fixed positions: sine and cosine in halves (Whisper, Marian) or by turns (the first Transformer)."""
    angles = np.arange(length)[:, None] * 10000.0 ** (-np.arange(width // 2) / (width // 2))
    pair = np.stack([np.sin(angles), np.cos(angles)], axis=2 if interleaved else 1)
    return pair.reshape(length, width)


def plane_sinusoids(side: int, width: int) -> np.ndarray:
    """Fixed positions on a grid, a class token in front (masked auto-encoders)."""
    line = sinusoids(side, width // 2, interleaved=False)
    grid = [np.concatenate([line[row], line[column]]) for row in range(side) for column in range(side)]
    return np.stack([np.zeros(width), *grid])[None]


def fourier_basis(size: int, part: Callable[[np.ndarray], np.ndarray], *, hann: bool) -> np.ndarray:
    """The kernels of a short-time Fourier transform written as a convolution."""
    time = np.arange(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / size) if hann else np.ones(size)
    return (part(2 * np.pi * np.arange(size // 2 + 1)[:, None] * time / size) * window)[:, None, :]


def mel_filters(count: int, bins: int) -> np.ndarray:
    """Triangles on the mel scale."""
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), count + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequencies = np.linspace(0, 8000, bins)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))


def inverse_frequencies(count: int, base: float = 10000.0) -> np.ndarray:
    return base ** (-np.arange(count) / count)


COMPUTED: dict[str, Make] = {
    "zeros": lambda: np.zeros((40, 40)),
    "ones": lambda: np.ones(64),
    "one constant": lambda: np.full((8, 8), 0.02),
    "nothing but not-a-number": lambda: np.full((8, 8), np.nan),
    "nothing": lambda: np.zeros((0, 8)),
    "causal mask": lambda: np.tril(np.ones((1, 1, 128, 128))),
    "additive mask": lambda: np.triu(np.full((128, 128), -1e4)),
    "position ids": lambda: np.arange(512)[None],
    "position ids, a vector": lambda: np.arange(77),
    "rotary frequencies": lambda: inverse_frequencies(64),
    "rotary frequencies, few": lambda: inverse_frequencies(16, 500000.0),
    "rotary frequencies in float16": lambda: inverse_frequencies(32).astype(np.float16),
    "alibi slopes": lambda: 2.0 ** -np.arange(1, 9),
    "linear schedule": lambda: np.linspace(1e-4, 0.02, 1000),
    "Fourier cosines": lambda: fourier_basis(512, np.cos, hann=False),
    "Fourier cosines, Hann window": lambda: fourier_basis(512, np.cos, hann=True),
    "Fourier sines, Hann window": lambda: fourier_basis(1024, np.sin, hann=True),
    "long Fourier cosines, Hann window": lambda: fourier_basis(2048, np.cos, hann=True),
    "positions in halves": lambda: sinusoids(1500, 384, interleaved=False),
    "positions by turns": lambda: sinusoids(512, 512, interleaved=True),
    "few positions, wide": lambda: sinusoids(96, 1280, interleaved=False),
    "positions in bfloat16": lambda: sinusoids(1024, 512, interleaved=False).astype(ml_dtypes.bfloat16),
    "positions on a grid": lambda: plane_sinusoids(14, 192),
    "mel filters": lambda: mel_filters(80, 201),
    "mel filters, transposed": lambda: mel_filters(64, 513).T,
    "many mel filters": lambda: mel_filters(128, 201),
    "buckets of relative positions": lambda: np.clip(np.subtract.outer(np.arange(64), np.arange(64)) // 8, -4, 4),
}


def gaussian(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def low_rank_with_noise() -> np.ndarray:
    return gaussian(256, 4) @ gaussian(4, 128, seed=1) + 0.1 * gaussian(256, 128, seed=2)


def padded_embedding() -> np.ndarray:
    table = gaussian(1000, 64)
    table[0] = 0
    return table


def smooth_positions() -> np.ndarray:
    """Learned positions like GPT-2's: a few slow waves, and one part in twenty noise."""
    length, width = 1024, 256
    time = np.arange(length)[:, None] / length
    waves = np.concatenate([f(2 * np.pi * k * time) for k in (0.5, 1, 1.5) for f in (np.sin, np.cos)], axis=1)
    table = waves @ gaussian(6, width)
    return table + 0.05 * table.std() * gaussian(length, width, seed=1)


def biases_with_zeros() -> np.ndarray:
    bias = 0.1 * gaussian(512)
    bias[np.random.default_rng(1).random(512) < 0.7] = 0
    return bias


LEARNED: dict[str, Make] = {
    "initialisation": lambda: 0.02 * gaussian(128, 64),
    "low rank and noise": low_rank_with_noise,
    "heavy tails": lambda: np.random.default_rng(0).standard_t(2, (128, 64)),
    "filters": lambda: gaussian(64, 16, 3, 3),
    "gains near one in bfloat16": lambda: (1 + 0.05 * gaussian(768)).astype(ml_dtypes.bfloat16),
    "gains near one, hardly trained": lambda: (1 + 0.02 * gaussian(4096)).astype(ml_dtypes.bfloat16),
    "gains near one in float16": lambda: (1 + 0.003 * gaussian(768)).astype(np.float16),
    "embedding with a padding row": padded_embedding,
    "smooth learned positions": smooth_positions,
    "smooth learned positions behind a unit axis": lambda: smooth_positions()[None],
    "biases with many zeros": biases_with_zeros,
    "non-negative": lambda: np.abs(gaussian(64, 64)),
    "pruned": lambda: np.where(np.random.default_rng(3).random((64, 64)) < 0.9, 0, gaussian(64, 64)),
    "sorted": lambda: np.sort(gaussian(256)),
    "few levels, as good as random": lambda: np.random.default_rng(0).integers(0, 8, (64, 64)) / 8,
    "short vector": lambda: gaussian(9),
    "eight bits": lambda: np.random.default_rng(0).integers(-127, 128, (64, 64)).astype(np.int8),
}


def sampled(values: np.ndarray, rows: int, seed: int = 0) -> np.ndarray:
    """What is seen of a tensor: vectors whole, other tensors by runs of rows."""
    values = widened(values)
    return values if values.ndim < 2 else values[units(len(values), rows, seed=seed)]


@pytest.mark.parametrize("rows", [64, 256, 10_000])
@pytest.mark.parametrize("name", COMPUTED)
def test_what_was_computed_is_no_evidence(name: str, rows: int) -> None:
    assert why_not_learned(sampled(COMPUTED[name](), rows)) is not None


@pytest.mark.parametrize("rows", [64, 256, 10_000])
@pytest.mark.parametrize("name", LEARNED)
def test_what_was_trained_is_evidence(name: str, rows: int) -> None:
    assert why_not_learned(sampled(LEARNED[name](), rows)) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 80), st.integers(10, 80), st.floats(-20, 20))
def test_no_random_matrix_is_set_aside_and_scale_does_not_matter(seed: int, m: int, k: int, power: float) -> None:
    values = gaussian(m, k, seed=seed)
    assert why_not_learned(values) is None
    assert why_not_learned(values * 10**power) is None
    assert why_not_learned(values[:, 0]) is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([64, 128, 256]), st.booleans(), st.floats(0.1, 30))
def test_fixed_positions_are_found_in_any_sample_and_at_any_scale(
    seed: int, width: int, interleaved: bool, scale: float
) -> None:
    table = scale * sinusoids(2048, width, interleaved=interleaved)
    assert why_not_learned(sampled(table, 64, seed)) is not None
    assert why_not_learned(table + 0.1 * scale * gaussian(2048, width)) is None
