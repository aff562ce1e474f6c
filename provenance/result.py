"""The result of a comparison: one value that every report is made from.

The fields are the JSON fields (`to_json`); `schema_version` changes when a reader of old results would break.
Everything in it is plain data, in a fixed order; the same bytes in give the same result but for `run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any

from provenance.tensor_entry import TensorEntry

SCHEMA_VERSION = 1
UNDISGUISED = "undisguised derivation only"
"""The scope of an independence for which not every disguise was searched."""


class Relation(StrEnum):
    """What the weights of B are to the weights of A."""

    IDENTICAL = "identical"
    DERIVED = "derived"
    COMMON_ORIGIN = "common_origin"
    INDEPENDENT = "independent"
    INCONCLUSIVE = "inconclusive"


class ArchitectureRelation(StrEnum):
    """How the two architectures relate, sizes aside."""

    IDENTICAL = "identical"
    RENAMED = "renamed"
    VARIANT = "variant"
    DIFFERENT = "different"


class Direction(StrEnum):
    """Which side is the parent, as far as the weights tell."""

    A_TO_B = "a_to_b"
    B_TO_A = "b_to_a"
    UNDIRECTED = "undirected"


class Basis(StrEnum):
    """What a rename rule rests on."""

    WEIGHTS = "weights"
    NAME_TABLE = "name table"
    SHAPE = "shape"


class Status(StrEnum):
    """Outcome of one measurement."""

    DEPENDENT = "dependent"
    """The corrected p-value is below alpha."""
    CHANCE = "chance"
    """Tested; what was seen is what independent weights show."""
    MATCHED = "matched"
    """A search has matched the units: what was seen is how alike they are, and no exact test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One side of the comparison. `params` counts every element, `learned_params` tied copies once and
    constants not at all; `dtypes` maps a dtype to its number of elements.
    """

    reference: str
    revision: str | None
    digest: str
    format: str
    variant: str | None
    shards: int
    tensors: int
    params: int
    learned_params: int
    dtype: str
    """The type of most elements."""
    dtypes: Mapping[str, int]
    layers: int
    dimensions: Mapping[str, int]
    """Named sizes as far as roles tell: `residual`, `mlp`, `vocabulary`, `layers`."""
    weight_sets: tuple[str, ...] = ()
    findings: tuple[FindingEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingEntry:
    """Something odd about one side."""

    code: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeDifference:
    """A dimension on which the two sides differ."""

    dimension: str
    a: int
    b: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameRule:
    """Tensors called by the pattern `a` on one side are called by `b` on the other; `{i}` stands for a number (`{i+1}`,
    `{2*i}`, `{11-i}` for one computed from it, `{i:03}` for a padded one) and `*` for anything. `ambiguous` says that
    shapes alone left a choice that nothing else could settle.
    """

    a: str
    b: str
    count: int
    basis: Basis
    ambiguous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutEntry:
    """Tensors that one side stores in another layout (`fused_qkv`, `stacked_experts`, …): `tensors` stored ones were
    compared as `views` others. `side` is `a`, `b`, or None where there is one checkpoint alone.
    """

    side: str | None
    layout: str
    tensors: int
    views: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Which roles both sides have, under which names, at which sizes. `only_a`/`only_b` map a name pattern to the
    number of tensors that the other side lacks.
    """

    relation: ArchitectureRelation
    sizes: tuple[SizeDifference, ...]
    """Empty when all sizes are equal (the JSON then says "equal")."""
    renames: tuple[RenameRule, ...]
    paired: int
    only_a: Mapping[str, int]
    only_b: Mapping[str, int]
    layouts: tuple[LayoutEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Share of each side's learned parameters that lie in dependent role groups; `extrapolated` is the part of it
    that follows from sampled layers of the same role.
    """

    a: float
    b: float
    extrapolated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One operation that explains the relation, with its parameters. `packaging` kinds are listed, never counted as
    an operation.
    """

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evidence: str = ""
    packaging: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer about the weights. `clause` is the rule that decided; `scope` is set when the answer holds only
    within it; `direction` is None unless the two are related.
    """

    relation: Relation
    clause: str
    basis: str | None
    scope: str | None
    kinds: tuple[Kind, ...]
    direction: Direction | None
    log10_p: float | None
    effect: float | None
    min_detectable_effect: float | None
    coverage: Coverage
    alpha: float
    tests: int
    """Number of hypotheses tested; `log10_p` is corrected for all of them."""
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One measurement: what was tested (`signal`, `method`, `subject`), on how many units, and what came out.

    `z` is the standardised statistic, `hits` of `units` the units whose best match is their own counterpart,
    `effect` the median matched cosine, `min_detectable` the smallest one that would have been noticed.
    """

    signal: str
    method: str
    subject: str
    axis: str
    layer: int | None
    role: str | None
    tensors: int
    units: int
    z: float
    hits: int
    log10_p_statistic: float
    """Of z alone, uncorrected."""
    log10_p_hits: float
    """Of the hits alone, uncorrected."""
    log10_p: float
    """The smaller of the two, corrected for every hypothesis tried."""
    effect: float
    min_detectable: float
    status: Status
    order: str
    """`free`, or `trend` where units were only interchanged with their neighbours."""
    decides: bool
    """True for the tests that a verdict quotes; False for per-tensor detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One role of one layer: the picture of layers x roles is made of these."""

    role: str
    effect: float | None
    z: float | None
    status: str
    """`dependent`, `chance`, `equal`, `not sampled` or `not tested`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of A with its counterpart in B."""

    a: int
    b: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """Something that could not be tested, or was not, and why."""

    signal: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What metadata says on each side, for comparison with what the weights say."""

    name: str
    a: Any
    b: Any
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How the result was made; the only part that differs between two runs on the same bytes."""

    bytes_read: int
    bytes_total: int
    seconds: float
    version: str
    options: Mapping[str, Any]
    requests: int = 0
    """HTTP requests, redirections and repetitions included."""
    bytes_fetched: int = 0
    """Bytes of what they were answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Third:
    """A third relative C. `cosines` are those of the angles at A, B and C between the differences to the other two;
    `middle` names the corner through which the other two are related, and `tree` says so in words.
    """

    reference: str
    relation_a: Relation
    relation_b: Relation
    cosines: Mapping[str, float]
    middle: str | None
    tree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of `compare`."""

    a: ModelSummary
    b: ModelSummary
    architecture: Architecture
    verdict: Verdict
    claims: tuple[Claim, ...]
    evidence: tuple[Evidence, ...]
    layers: tuple[Layer, ...]
    not_measured: tuple[NotMeasured, ...]
    run: Run
    tensors: tuple[TensorEntry, ...] = ()
    """Every pair, value by value, where all values were read (`--full`)."""
    third: Third | None = None
    """Where a third relative stands (`--with`)."""
    schema_version: int = SCHEMA_VERSION


def rounded(value: float) -> float:
    """`value` to 6 significant digits: what results store, and what thresholds are compared with."""
    return float(f"{value:.6g}")


def to_json(value: Any) -> Any:
    """Plain JSON data for a result or a part of it: dataclasses become objects, floats keep 6 significant digits.

    A `Kind` is flattened (`{"kind": ..., parameters...}`) and equal sizes read "equal", as the schema has it.
    """
    if isinstance(value, Kind):
        return {
            "kind": value.kind,
            **to_json(value.parameters),
            "evidence": value.evidence,
            "packaging": value.packaging,
        }
    if is_dataclass(value) and not isinstance(value, type):
        plain = {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
        if isinstance(value, Architecture) and not value.sizes:
            plain["sizes"] = "equal"
        if isinstance(value, Result):
            plain["claims"] = {
                claim.name: {"a": claim.a, "b": claim.b, "agrees": claim.agrees} for claim in value.claims
            }
            plain = {"schema_version": plain.pop("schema_version"), **plain}
        return plain
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float):
        return rounded(value)
    return value
