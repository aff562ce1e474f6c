"""Small families of checkpoints, and merges of them by mergekit's own arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.torch import save_file

from tests.checkpoints import llama_shapes
from tests.in_memory import gaussian

torch = pytest.importorskip("torch")
merge_methods = pytest.importorskip("mergekit.merge_methods")

SHAPES = llama_shapes(layers=4, hidden=64, mlp=160, heads=4, kv_heads=2, vocabulary=192)

Tensors = dict[str, Any]


def base() -> dict[str, np.ndarray]:
    """Weights as bfloat16 holds them."""
    return {name: _rounded(values) for name, values in gaussian(SHAPES, 0).items()}


def tuned(seed: int, change: float = 0.1) -> dict[str, np.ndarray]:
    """A child of the base: every tensor changed by a share of its spread, heavy-tailed as training leaves it."""
    child = {}
    for place, (name, values) in enumerate(base().items()):
        rng = np.random.default_rng((seed, place))
        child[name] = _rounded(values + change * 0.02 * rng.standard_t(5, values.shape).astype(np.float32))
    return child


def stranger() -> dict[str, np.ndarray]:
    """The same shapes from another seed."""
    return {name: _rounded(values) for name, values in gaussian(SHAPES, 77).items()}


def _rounded(values: np.ndarray) -> np.ndarray:
    return values.astype(ml_dtypes.bfloat16).astype(np.float32)


def tensors(values: Mapping[str, np.ndarray], dtype: Any = torch.bfloat16) -> Tensors:
    """As torch holds them."""
    return {name: torch.from_numpy(np.ascontiguousarray(each)).to(dtype) for name, each in values.items()}


def merged(
    method: str,
    parents: Sequence[Mapping[str, np.ndarray]],
    *,
    on: Mapping[str, np.ndarray] | int | None = None,
    dtype: Any = torch.bfloat16,
    exact: bool = False,
    **parameters: Any,
) -> Tensors:
    """A merge by mergekit, on a base or with one of the parents as the first end of an arc.

    Parents are rounded to bfloat16 before, unless `exact`.
    """
    models = {
        str(place): tensors(parent, torch.float32 if exact else torch.bfloat16) for place, parent in enumerate(parents)
    }
    first = str(on) if isinstance(on, int) else None
    if isinstance(on, Mapping):
        models, first = {"base": tensors(on), **models}, "base"
    lists = {
        name: dict(zip((key for key in models if key != "base"), value, strict=True))
        for name, value in parameters.items()
        if isinstance(value, tuple)
    }
    torch.manual_seed(3)
    with torch.no_grad():
        return dict(
            merge_methods.merge_state_dicts(
                models, method, parameters=parameters | lists, base=first, dtype=dtype, out_dtype=dtype
            )
        )


def stored(folder: Path, values: Mapping[str, Any]) -> Path:
    """A checkpoint of arrays (as bfloat16) or torch's tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    held = values if all(isinstance(each, torch.Tensor) for each in values.values()) else tensors(values)
    save_file({name: each.contiguous() for name, each in held.items()}, folder / "model.safetensors")
    return folder
