"""Which axes of a pair of tensors can be tested, and which of them must be relabelled together.

An axis is testable when its units are interchangeable in training: hidden neurons, filters, residual dimensions.
Axes whose index means something (tokens, classes, positions, input features, attention rows under rotary positions)
are not. Axes that share one relabelling form a group: one group, one test.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.pairing import Pair

MEANINGFUL = {
    "vocabulary": "tokens mean the same in both models",
    "position": "positions mean the same in both models",
    "class": "classes mean the same in both models",
    "head": "attention rows are ordered by head and rotary frequency",
    "expert": "experts are compared one by one",
}
_EMBEDDING = re.compile(
    r"(^|[._])(w[tp]e|\w*embed\w*|\w*emb|embd|pos\w*|tokens?|cls|query|queries|latents?|prototypes?|lookup|codebook)($|[._])",
    re.IGNORECASE,
)
_HEAD = re.compile(
    r"(^|[._])(classifier|head|\w*_head|score|logits|predictions?|output|fc_out|out_layer)($|[._])", re.IGNORECASE
)
_ATTENTION = re.compile(
    r"(^|[._])(q|k|v|qkv|kv|wq|wk|wv|wqkv|query|key|value|\w*(_q|_k|_v|_qkv|_kv)|[qkv]_\w*|in_proj|to_[qkv]\w*|\w*query_key\w*|c_attn|W_pack)"
    r"($|[._])",
)
_INDEXED_START = re.compile(r"(^|[._])(A_log|dt_\w*|time_\w*|rel\w*bias\w*|relative\w*|slopes?|alibi)($|[._])")
_RECURRENT = re.compile(r"(^|[._])weight_(ih|hh)(_l\d+)?(_reverse)?$|(^|[._])(kernel|recurrent_kernel)$")


class Faces(StrEnum):
    """What the features of a unit are indexed by."""

    PRIVATE = "private"
    """Units of the model's own: agreement there needs two aligned axes."""
    SHARED = "shared"
    """Something both models have in common (tokens, classes, inputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestAxis:
    """One axis of one pair, to be tested.

    Attributes
    ----------
    axis : int
        Axis of the stored tensor (0 or 1).
    group : str
        Axes with one name are relabelled together.
    kind : str
        `residual`, `neuron` or `hidden`.
    family : str
        Groups of one family have a known wiring, so that their tests may be combined; "" for none.
    units_a, units_b : int
        Lengths of the axis, gates counted out.
    gates : int
        Rows that make up one unit (4 in an LSTM), `gates * units` rows in all.
    mapped_to_itself : bool
        The other axis may be the same units: only one half of them against the other half is tested.
    faces : Faces
        What the other axis is.
    layer : int or None
        Layer in its tower.
    """

    axis: int
    group: str
    kind: str
    family: str
    units_a: int
    units_b: int
    gates: int = 1
    mapped_to_itself: bool = False
    faces: Faces = Faces.PRIVATE
    layer: int | None = None

    @property
    def units(self) -> int:
        """Units that both sides have: the leading ones where lengths differ."""
        return min(self.units_a, self.units_b)


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisPlan:
    """What can be tested on one pair, and why the rest cannot."""

    tests: tuple[TestAxis, ...]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wiring:
    """Lengths that some matrix produces, and lengths that some matrix consumes, with how many do."""

    produced: Mapping[int, frozenset[str]]
    consumed: Mapping[int, frozenset[str]]


def _wiring(anatomy: Anatomy) -> _Wiring:
    produced: dict[int, set[str]] = defaultdict(set)
    consumed: dict[int, set[str]] = defaultdict(set)
    matrices = [part for part in anatomy.parts.values() if len(part.shape) > 1]
    named = [part for part in matrices if part.kind is PartKind.MATRIX]
    for part in named or matrices:
        first, second = part.shape[:2]
        if _RECURRENT.search(part.name):
            produced[first // recurrent_gates(part, anatomy)].add(part.name)
            consumed[second].add(part.name)
            continue
        if _EMBEDDING.search(part.module):
            produced[second].add(part.name)
        else:
            if not _HEAD.search(part.module):
                produced[first].add(part.name)
            consumed[second].add(part.name)
    return _Wiring(
        produced={n: frozenset(names) for n, names in produced.items()},
        consumed={n: frozenset(names) for n, names in consumed.items()},
    )


def plan_axes(pairs: Sequence[Pair], a: Anatomy, b: Anatomy) -> dict[str, AxisPlan]:
    """Decide for every pair of matrices which axes can be tested.

    Parameters
    ----------
    pairs : sequence of Pair
        Counterparts.
    a, b : Anatomy
        The two sides, for the wiring.

    Returns
    -------
    dict
        Name in A to its plan; vectors are not in it (`residual_index` stacks them).
    """
    wiring_a, wiring_b = _wiring(a), _wiring(b)
    gates = {pair.a.name: recurrent_gates(pair.a, a) for pair in pairs}
    plans: dict[str, AxisPlan] = {}
    for pair in pairs:
        if len(pair.a.shape) < 2:
            continue
        if pair.a.axes and pair.a.axes == pair.b.axes:
            plans[pair.a.name] = _known(pair)
        elif pair.a.axes and pair.b.axes and pair.a.axes == pair.b.axes[::-1]:
            plans[pair.a.name] = AxisPlan(tests=(), reasons=("the two sides store it in different orientations",))
        else:
            plans[pair.a.name] = _generic(pair, gates[pair.a.name], wiring_a, wiring_b)
    return plans


def _known(pair: Pair) -> AxisPlan:
    part = pair.a
    tests: list[TestAxis] = []
    reasons: list[str] = []
    fused = 2 if part.role == "ffn_gate_up" else 1
    for axis, meaning in enumerate(part.axes):
        if meaning in MEANINGFUL:
            reasons.append(f"axis {axis}: {MEANINGFUL[meaning]}")
            continue
        other = part.axes[1 - axis]
        if meaning == "residual":
            group = f"{part.tower or 'model'}: residual stream"
        else:
            group = f"{part.tower}: layer {part.layer}: neurons" + (
                f" of expert {part.expert}" if part.expert is not None else ""
            )
            if ".shared_expert" in part.module:
                group += " of the shared expert"
        gates = fused if meaning == "neuron" else 1
        tests.append(
            TestAxis(
                axis=axis,
                group=group,
                kind=meaning,
                family=part.tower,
                units_a=part.shape[axis] // gates,
                units_b=pair.b.shape[axis] // gates,
                gates=gates,
                faces=Faces.SHARED if other in ("vocabulary", "position", "class") else Faces.PRIVATE,
                layer=part.layer,
            )
        )
    return AxisPlan(tests=tuple(tests), reasons=tuple(reasons))


def _generic(pair: Pair, gates: int, wiring_a: _Wiring, wiring_b: _Wiring) -> AxisPlan:
    if _INDEXED_START.search(pair.a.name):
        return AxisPlan(tests=(), reasons=("it starts from values that depend on the index",))
    tests: list[TestAxis] = []
    reasons: list[str] = []
    shape_a, shape_b = pair.a.shape, pair.b.shape
    open_axes = [
        axis
        for axis in (0, 1)
        if _hidden(pair.a, axis, gates, wiring_a, reasons) and _hidden(pair.b, axis, gates, wiring_b, None)
    ]
    for axis in open_axes:
        per_unit = gates if axis == 0 else 1
        length_a, length_b = shape_a[axis] // per_unit, shape_b[axis] // per_unit
        tests.append(
            TestAxis(
                axis=axis,
                group=f"{pair.a.name}: {'outputs' if axis == 0 else 'inputs'}",
                kind="embedding" if _EMBEDDING.search(pair.a.module) else "hidden",
                family="",
                units_a=length_a,
                units_b=length_b,
                gates=per_unit,
                mapped_to_itself=shape_a[0] // gates == shape_a[1] or shape_b[0] // gates == shape_b[1],
                faces=Faces.PRIVATE if len(open_axes) == 2 or axis == 0 else Faces.SHARED,
                layer=pair.a.index[0] if pair.a.index else None,
            )
        )
    return AxisPlan(tests=tuple(tests), reasons=tuple(reasons))


def recurrent_gates(part: Part, anatomy: Anatomy) -> int:
    """Rows per unit of a recurrent matrix, told by the square-ness of its recurrent half; 1 for anything else."""
    if not _RECURRENT.search(part.name):
        return 1
    partner = anatomy.parts.get(part.name.replace("weight_ih", "weight_hh"), part)
    if len(partner.shape) != 2 or partner.shape[1] == 0 or partner.shape[0] % partner.shape[1]:
        return 1
    gates = partner.shape[0] // partner.shape[1]
    return gates if gates in (3, 4) and part.shape[0] % gates == 0 else 1


def _hidden(part: Part, axis: int, gates: int, wiring: _Wiring, reasons: list[str] | None) -> bool:
    """Whether an axis of a part of unknown role indexes hidden units: produced by one matrix, consumed by another."""
    length = part.shape[axis] // (gates if axis == 0 else 1)
    why = ""
    if axis == 0 and _EMBEDDING.search(part.module):
        why = "rows of an embedding mean the same in both models"
    elif axis == 0 and _ATTENTION.search(part.module):
        why = MEANINGFUL["head"]
    elif axis == 0 and _HEAD.search(part.module) and not wiring.consumed.get(length, frozenset()) - {part.name}:
        why = "outputs of a head mean the same in both models"
    elif axis == 0 and not wiring.consumed.get(length, frozenset()) - ({part.name} if gates == 1 else set()):
        why = f"nothing takes {length} inputs: these may be outputs of the model"
    elif (
        axis == 1
        and not _EMBEDDING.search(part.module)
        and not (wiring.produced.get(length, frozenset()) - ({part.name} if gates == 1 else set()))
    ):
        why = f"nothing produces {length} values: these may be inputs of the model"
    if why and reasons is not None:
        reasons.append(f"axis {axis}: {why}")
    return not why
