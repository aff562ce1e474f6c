"""A packed model comes from its float original, and from no other of the same shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from provenance import Relation, compare
from tests.checkpoints import llama_shapes, write_values
from tests.in_memory import gaussian
from tests.packing import Arrays, awq, gptq, in_order, mlx, named, pack_quantized

SHAPES = llama_shapes(layers=2, hidden=64, mlp=128, heads=4, kv_heads=2, vocabulary=64)
Pack = Callable[[np.ndarray], tuple[Arrays, np.ndarray]]
SCHEMES: dict[str, Pack] = {
    "gptq": lambda weight: gptq(weight, 4, in_order(weight.shape[1], 32)),
    "awq": lambda weight: awq(weight, in_order(weight.shape[1], 32)),
    "compressed-tensors": lambda weight: pack_quantized(weight, 4, in_order(weight.shape[1], 32)),
    "mlx": lambda weight: mlx(weight, 4, in_order(weight.shape[1], 64)),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_packed_weights_lead_to_their_original(tmp_path: Path, scheme: str) -> None:
    values = gaussian(SHAPES, seed=1)
    packed: Arrays = {}
    plain: Arrays = {}
    for name, tensor in values.items():
        if "_proj." in name:
            parts, decoded = SCHEMES[scheme](tensor)
            packed |= named(parts, name.removesuffix("weight"))
            plain[name] = decoded
        else:
            packed[name] = plain[name] = tensor
    stored = write_values(tmp_path / "packed", packed)

    derived = compare(write_values(tmp_path / "original", values), stored)
    assert derived.verdict.relation is Relation.DERIVED
    quantised = next(kind for kind in derived.verdict.kinds if kind.kind == "quantised")
    assert quantised.parameters == {
        "bits": 4, "group_size": 64 if scheme == "mlx" else 32, "scheme": scheme, "side": "b",
    }  # fmt: skip

    other = compare(write_values(tmp_path / "other", gaussian(SHAPES, seed=2)), stored)
    assert other.verdict.relation is Relation.INDEPENDENT

    same = compare(write_values(tmp_path / "plain", plain), stored)
    assert same.verdict.relation is Relation.IDENTICAL
