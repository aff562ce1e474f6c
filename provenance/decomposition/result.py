"""The result of a decomposition: one value, shown as text or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from provenance.result import SCHEMA_VERSION, ModelSummary, Run

Interval = tuple[float, float]


class Outcome(StrEnum):
    """What a model is of its supposed parents."""

    MERGED = "merged"
    EQUAL = "equal"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentShare:
    """A supposed parent and its weight.

    `weight` and `interval` (95 %) are None where the parent does not fit the model; `contributes` is None where nothing
    is said about that.
    """

    name: str
    weight: float | None
    interval: Interval | None
    contributes: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Weights of one layer or role, in the order of the parents.

    Weights are None where too little of it can tell. `residual` is relative to the norm of the model's values; `source`
    is, in a stack of slices, the parent and layer that the layer comes from.
    """

    layer: int | None
    role: str | None
    tensors: int
    weights: tuple[float | None, ...]
    intervals: tuple[Interval | None, ...]
    residual: float | None
    source: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """What merge of its parents a model is.

    Attributes
    ----------
    model, base : ModelSummary
    outcome : Outcome
    parents : tuple of ParentShare
        In the order given.
    method : str or None
        mergekit's name of it; None unless merged.
    parameters : mapping
        Of the method: density, normalize, lambda.
    varies_by : str or None
        What weights depend on: `layer`, `block`, `layer and block`, `module`, `tensor`; None where they are the same
        everywhere.
    residual : float
        Norm of what the best combination leaves, relative to the norm of the model's values.
    rounding : float
        The same, for what storing the model in its type leaves.
    explained : float
        Share of the squared distance to the nearest parent that the combination takes away, each tensor in units of
        its rounding.
    reproduced : float or None
        Share of the values that the combination, rounded, gives exactly.
    equal_to : tuple of str
        Parents, or the base, whose values the model holds.
    per_layer, per_role : tuple of Stretch
    recipe : mapping or None
        mergekit's configuration; as JSON it is YAML.
    summary : str
    warnings : tuple of str
    evidence : tuple of str
        What the answer rests on, with numbers.
    not_compared : tuple of str
    coverage : float
        Share of the model's learned parameters in the tensors compared.
    run : Run
    """

    model: ModelSummary
    base: ModelSummary | None
    outcome: Outcome
    parents: tuple[ParentShare, ...]
    method: str | None
    parameters: Mapping[str, Any]
    varies_by: str | None
    residual: float
    rounding: float
    explained: float
    reproduced: float | None
    equal_to: tuple[str, ...]
    per_layer: tuple[Stretch, ...]
    per_role: tuple[Stretch, ...]
    recipe: Mapping[str, Any] | None
    summary: str
    warnings: tuple[str, ...]
    evidence: tuple[str, ...]
    not_compared: tuple[str, ...]
    coverage: float
    run: Run
    schema_version: int = SCHEMA_VERSION
