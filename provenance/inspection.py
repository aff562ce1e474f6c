"""What one checkpoint is: format, sizes, dtypes, roles, and what is odd about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provenance.result import ModelSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSummary:
    """Tensors that differ only in their layer numbers: `pattern` with `{i}`, how many, their role and shapes."""

    pattern: str
    count: int
    role: str | None
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    parameters: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSetSummary:
    """One of the weight sets in the folder."""

    name: str
    format: str
    files: int
    nbytes: int
    readable: bool
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The result of `inspect`."""

    model: ModelSummary
    templates: tuple[TemplateSummary, ...]
    weight_sets: tuple[WeightSetSummary, ...]
    claims: Mapping[str, object]
    bytes_total: int
    schema_version: int = 1
