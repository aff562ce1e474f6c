"""Models small enough to scan by the dozen: random weights, and changes of them, whose descent is therefore known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.checkpoints import llama_shapes

SIZES = {"layers": 2, "hidden": 64, "mlp": 128, "heads": 4, "kv_heads": 2, "vocabulary": 96}


def write_model(folder: Path, seed: int, **sizes: int) -> Path:
    """A model of its own; `sizes` are other than the usual ones."""
    rng = np.random.default_rng(seed)
    shapes = llama_shapes(**{**SIZES, **sizes})
    return _saved(folder, {name: rng.normal(0.0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()})


def write_child(folder: Path, parent: Path, seed: int, size: float = 0.2) -> Path:
    """The parent, with every weight changed by `size` of the weights' deviation."""
    rng = np.random.default_rng(seed)
    weights = load_file(parent / "model.safetensors")
    changed = {
        name: (each + size * each.std() * rng.normal(size=each.shape)).astype(np.float32)
        for name, each in weights.items()
    }
    return _saved(folder, changed)


def write_average(folder: Path, one: Path, other: Path) -> Path:
    """The mean of two models."""
    left, right = (load_file(each / "model.safetensors") for each in (one, other))
    return _saved(folder, {name: (each + right[name]) / 2 for name, each in left.items()})


def _saved(folder: Path, weights: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors")
    return folder
