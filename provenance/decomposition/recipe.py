"""The mergekit configuration that makes a model again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from provenance.decomposition.fit import Fit
from provenance.decomposition.passthrough import Stack
from provenance.decomposition.samples import Sample
from provenance.decomposition.sparse import Sparse

Floats = npt.NDArray[np.float64]

DECIMALS = 4
_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}

Recipe = dict[str, Any]


def dense_recipe(
    found: Fit, samples: Sequence[Sample], names: Sequence[str], base: str | None, dtype: str
) -> Recipe | None:
    """Of a method that keeps every element; None where weights differ from tensor to tensor without a pattern."""
    if found.resolution == "tensor" and found.method.fitted:
        return None

    def setting(place: int) -> Any:
        return _setting(found, samples, lambda row: round(float(row[place]), DECIMALS))

    method = found.method.name
    if method == "slerp":
        return {
            "merge_method": method,
            "base_model": names[0],
            "models": [{"model": name} for name in names],
            "parameters": {"t": setting(1)},
            "dtype": _DTYPES[dtype],
        }
    models: list[Recipe] = [{"model": name} for name in names]
    if found.method.fitted:
        models = [{"model": name, "parameters": {"weight": setting(place)}} for place, name in enumerate(names)]
    recipe: Recipe = {"merge_method": method, "models": models, "dtype": _DTYPES[dtype]}
    if method != "linear" and base is not None:
        recipe["base_model"] = base
    return recipe


def sparse_recipe(found: Sparse, names: Sequence[str], base: str, dtype: str) -> Recipe:
    """Of a method that drops elements; which ones DARE drops depends on mergekit's seed, and cannot be repeated."""
    recipe: Recipe = {
        "merge_method": found.name,
        "base_model": base,
        "models": [
            {
                "model": name,
                "parameters": {"weight": round(float(weight), DECIMALS), "density": round(float(density), 3)},
            }
            for name, weight, density in zip(names, found.weights, found.densities, strict=True)
        ],
        "parameters": {"normalize": found.normalised},
        "dtype": _DTYPES[dtype],
    }
    if abs(found.scale - 1) > 0.01 and found.normalised:
        recipe["parameters"]["lambda"] = round(found.scale, 3)
    return recipe


def stack_recipe(found: Stack, names: Sequence[str], dtype: str) -> Recipe:
    """Of slices."""
    return {
        "merge_method": "passthrough",
        "slices": [
            {"sources": [{"model": names[parent], "layer_range": [first, end]}]} for parent, first, end in found.slices
        ],
        "dtype": _DTYPES[dtype],
    }


def _setting(found: Fit, samples: Sequence[Sample], value: Callable[[Floats], float]) -> Any:
    """A parameter as mergekit takes it: a number, a list over layers, or filters with one of these each."""
    standings = [sample.standing for sample in samples]
    values = [value(row) for row in found.weights]
    if len(set(values)) == 1:
        return values[0]
    by_module = found.resolution == "module"
    groups: dict[str, dict[int | None, float]] = {}
    for standing, each in zip(standings, values, strict=True):
        key = standing.module if by_module or standing.layer is None else standing.block
        groups.setdefault(key, {})[standing.layer] = each
    settings = {key: _gradient(found_in) for key, found_in in groups.items()}
    common = _commonest(settings)
    filters = [{"filter": key, "value": each} for key, each in settings.items() if each != common]
    return [*filters, {"value": common}] if filters else common


def _gradient(by_layer: Mapping[int | None, float]) -> Any:
    """One number, or one a layer: mergekit interpolates a list over the depth, so that as many as layers are met."""
    if len(set(by_layer.values())) == 1:
        return next(iter(by_layer.values()))
    return [by_layer[layer] for layer in sorted(layer for layer in by_layer if layer is not None)]


def _commonest(settings: Mapping[str, Any]) -> Any:
    seen = list(settings.values())
    return max(seen, key=seen.count)
