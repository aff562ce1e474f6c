"""Which axes of a pair of tensors can be tested, and which of them must be relabelled together.

An axis is testable when its units are interchangeable in training: hidden neurons, filters, residual dimensions.
Axes whose index means something (tokens, classes, positions, input features, attention rows under rotary positions)
are not. Axes that share one relabelling form a group: one group, one test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fingerprints.anatomy import Anatomy
from fingerprints.pairing import Pair
from fingerprints.wiring import EMBEDDING, HEAD_ORDER, Wiring, recurrent_gates

MEANINGFUL = {
    "vocabulary": "tokens mean the same in both models",
    "position": "positions mean the same in both models",
    "class": "classes mean the same in both models",
    "head": HEAD_ORDER,
    "expert": "experts are compared one by one",
    "latent": "the latent of compressed attention is not tested",
}


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
    split : bool
        Only one half of the units is tested, because some tensor of the group may have them on both axes.
    faces_rest : bool
        The other axis may be the same units: features are taken from the half that is not tested.
    faces : Faces
        What the other axis is.
    layer : int or None
        Layer in its tower.
    exact : bool
        False where a search has matched the units: their agreement then says how alike they are, not that it is no
        chance.
    """

    axis: int
    group: str
    kind: str
    family: str
    units_a: int
    units_b: int
    gates: int = 1
    split: bool = False
    faces_rest: bool = False
    faces: Faces = Faces.PRIVATE
    layer: int | None = None
    exact: bool = True

    @property
    def units(self) -> int:
        """Units that both sides have: the leading ones where lengths differ."""
        return min(self.units_a, self.units_b)


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisPlan:
    """What can be tested on one pair, and why the rest cannot."""

    tests: tuple[TestAxis, ...]
    reasons: tuple[str, ...] = ()


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
    wiring_a, wiring_b = Wiring.of(a), Wiring.of(b)
    plans: dict[str, AxisPlan] = {}
    for pair in pairs:
        if len(pair.a.shape) < 2:
            continue
        if pair.a.shape[2:] != pair.b.shape[2:]:
            plans[pair.a.name] = AxisPlan(tests=(), reasons=("the two sides have kernels of different sizes",))
        elif pair.a.axes and pair.a.axes == pair.b.axes:
            plans[pair.a.name] = _known(pair)
        elif pair.a.axes and pair.b.axes and pair.a.axes == pair.b.axes[::-1]:
            plans[pair.a.name] = AxisPlan(tests=(), reasons=("the two sides store it in different orientations",))
        else:
            plans[pair.a.name] = _generic(pair, wiring_a, wiring_b)
    return _split(plans)


def _split(plans: dict[str, AxisPlan]) -> dict[str, AxisPlan]:
    """Test only half of the units of every group in which some tensor may map the units to themselves."""
    looped = {test.group for plan in plans.values() for test in plan.tests if test.faces_rest}
    return {
        name: replace(plan, tests=tuple(replace(test, split=test.group in looped) for test in plan.tests))
        for name, plan in plans.items()
    }


def _known(pair: Pair) -> AxisPlan:
    part = pair.a
    tests: list[TestAxis] = []
    reasons: list[str] = []
    fused = 2 if part.role == "ffn_gate_up" else 1
    for axis, meaning in enumerate(part.axes):
        if meaning in MEANINGFUL:
            reasons.append(f"axis {axis}: {MEANINGFUL[meaning]}")
            continue
        if meaning == "neuron" and axis == 1 and fused > 1:
            reasons.append(f"axis {axis}: gate and up lie side by side in it")
            continue
        if meaning == "neuron" and ".experts." in part.module and part.expert is None:
            reasons.append(f"axis {axis}: experts lie side by side in it")
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
                exact=meaning not in pair.matched,
            )
        )
    return AxisPlan(tests=tuple(tests), reasons=tuple(reasons))


def _generic(pair: Pair, wiring_a: Wiring, wiring_b: Wiring) -> AxisPlan:
    """Hidden axes of a pair without a known role.

    Axes of one length form one group. They may be one axis or several: relabelling all of them alike is a symmetry
    either way, so the joint test is exact.
    """
    tests: list[TestAxis] = []
    reasons: list[str] = []
    gates_a, gates_b = recurrent_gates(pair.a, wiring_a.anatomy), recurrent_gates(pair.b, wiring_b.anatomy)
    if gates_a != gates_b:
        return AxisPlan(tests=(), reasons=("the two sides have another number of gates",))
    open_axes: list[int] = []
    for axis in (0, 1):
        why = wiring_a.why_closed(pair.a, axis) or wiring_b.why_closed(pair.b, axis)
        if why is None:
            open_axes.append(axis)
        else:
            reasons.append(f"axis {axis}: {why}")
    embedding = EMBEDDING.search(pair.a.module) is not None
    inner = [(part.shape[0] // gates_a, part.shape[1]) for part in (pair.a, pair.b)]
    for axis in open_axes:
        tests.append(
            TestAxis(
                axis=axis,
                group=f"hidden units, {inner[0][axis]} of them",
                kind="embedding" if embedding else "hidden",
                family="",
                units_a=inner[0][axis],
                units_b=inner[1][axis],
                gates=gates_a if axis == 0 else 1,
                faces_rest=any(rows == columns for rows, columns in inner),
                faces=Faces.PRIVATE if len(open_axes) == 2 or (axis == 0 and not embedding) else Faces.SHARED,
                layer=pair.a.index[0] if pair.a.index else None,
                exact=not pair.matched,
            )
        )
    return AxisPlan(tests=tuple(tests), reasons=tuple(reasons))
