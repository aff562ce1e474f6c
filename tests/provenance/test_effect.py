"""What decides between `derived` and `common_origin`: how much is left of common weights, and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from provenance import Relation, compare
from tests.checkpoints import llama_shapes, write_values

SIZES = {"layers": 3, "hidden": 96, "mlp": 256, "vocabulary": 2000, "heads": 4, "kv_heads": 2}
UNUSED = slice(200, None)
"""Rows of the token tables that no text used."""


def started(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = llama_shapes(**SIZES)
    return {
        name: np.ones(shape, np.float32) if len(shape) == 1 else rng.normal(0, 0.02, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def trained(start: dict[str, np.ndarray], cosine: float, seed: int) -> dict[str, np.ndarray]:
    """Every weight is moved so far that two runs agree by `cosine`, but for the unused rows of the tables."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, values in start.items():
        noise = rng.normal(0, 0.02, values.shape).astype(np.float32)
        moved = np.sqrt(cosine) * values + np.sqrt(1 - cosine) * noise if values.ndim > 1 else values + 5 * noise
        if "embed_tokens" in name or "lm_head" in name:
            moved[UNUSED] = values[UNUSED]
        found[name] = moved.astype(np.float32)
    return found


@pytest.mark.parametrize("cosine", [0.15, 0.35])
def test_unused_rows_of_tables_are_no_derivation(tmp_path: Path, cosine: float) -> None:
    start = started(0)
    a, b = (write_values(tmp_path / str(seed), trained(start, cosine, seed)) for seed in (1, 2))
    verdict = compare(a, b).verdict
    assert verdict.relation is Relation.COMMON_ORIGIN
    assert verdict.effect is not None
    assert abs(verdict.effect - cosine) < 0.1


def test_tables_count_where_the_layers_agree_too(tmp_path: Path) -> None:
    start = started(0)
    a, b = (write_values(tmp_path / str(seed), trained(start, 0.8, seed)) for seed in (1, 2))
    verdict = compare(a, b).verdict
    assert verdict.relation is Relation.DERIVED
    assert verdict.effect is not None
    assert abs(verdict.effect - 0.8) < 0.05
