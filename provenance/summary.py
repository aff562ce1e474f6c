"""The verdict in words. Neutral: what the weights show, nothing about anybody's intent."""

from __future__ import annotations

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Direction, Kind, Relation
from provenance.searches import Outcome, Way
from provenance.thresholds import thresholds

_OPERATIONS = {
    "fine_tune": "fine-tuned",
    "continued_pretraining": "trained on at length",
    "component_reuse": "sharing a component",
    "quantised": "quantised",
    "vocabulary_change": "with another vocabulary",
    "pruned_depth": "with layers removed",
    "depth_upscaled": "with layers repeated",
    "pruned_width": "with units removed",
    "width_upscaled": "with units added",
    "moe_upcycled": "with experts made of dense layers",
    "experts_merged": "with experts merged",
    "layers_reordered": "with layers in another order",
    "noise_added": "with noise added",
    "adapter_merge": "with an adapter merged",
    "abliterated": "with one direction removed",
    "pruned_unstructured": "pruned",
    "pruned_n_m": "pruned",
    "head_replaced": "with another head",
}
_CHANGES = {
    "neurons permuted": "the order of neurons",
    "neurons scaled": "the scale of neurons",
    "heads permuted": "the order of heads",
    "experts permuted": "the order of experts",
    "identity layers inserted": "layers that add nothing",
    "residual stream permuted": "the order of the residual stream",
    "residual stream with signs turned": "signs of the residual stream",
    "residual stream rotated": "a rotation of the residual stream",
    "residual stream in another basis": "the basis of the residual stream",
    "residual stream scaled": "the scale of the residual stream",
    "queries and keys in another basis": "the basis of queries and keys",
    "values in another basis": "the basis of values",
    "token ids permuted": "the order of tokens",
    "head shifted": "a vector added to the head",
}


def summarise(observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...], direction: Direction | None) -> str:
    """One to three sentences that can be quoted.

    Parameters
    ----------
    observed : Observation
        The pair.
    judgement : Judgement
        What was decided.
    kinds : tuple of Kind
        What explains it.
    direction : Direction or None
        Which side comes from which.
    """
    relation = judgement.ruling.relation
    text = _SENTENCES[relation](observed, judgement, kinds)
    if relation is Relation.DERIVED:
        text += _origin(direction, kinds)
        gains = judgement.strength.gains
        if _trained_on(kinds) and (gains is None or gains < thresholds().gain_agreement):
            text += " Models that started from the same values and were trained little would look the same."
    packaging = [kind.kind.replace("_", " ") for kind in kinds if kind.packaging]
    if packaging and relation in (Relation.IDENTICAL, Relation.DERIVED):
        text += f" Packaging differs: {', '.join(packaging)}."
    return text


def _identical(observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...]) -> str:
    compared = "every value was compared" if judgement.ruling.basis == "digest" else "as far as was sampled"
    text = f"A and B hold the same learned weights ({compared})."
    if any(kind.kind == "dtype_cast" for kind in kinds):
        text = f"A and B hold the same learned weights up to rounding ({compared})."
    return text


def _reuse(kind: Kind) -> str:
    a, b = kind.parameters["coverage_a"], kind.parameters["coverage_b"]
    trees = ", ".join(kind.parameters["subtrees_b"][:3])
    return f"{b:.0%} of B's learned parameters ({trees}) and {a:.0%} of A's are shared weights."


def _derived(observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...]) -> str:
    reuse = next((kind for kind in kinds if kind.kind == "component_reuse"), None)
    how = [_OPERATIONS[kind.kind] for kind in kinds if kind.kind in _OPERATIONS and kind is not reuse]
    how += [_undisguised(kind) for kind in kinds if kind.kind == "disguised"]
    text = _reuse(reuse) + " " if reuse else ""
    text += "A and B share trained weights" + (f" ({', '.join(how)})" if how else "")
    return text


def _undisguised(kind: Kind) -> str:
    """What the two sides are equal up to."""
    changes = list(dict.fromkeys(_CHANGES.get(each["what"], each["what"]) for each in kind.parameters["transform"]))
    listed = ", ".join(changes[:-1]) + " and " + changes[-1] if len(changes) > 1 else changes[0]
    return f"equal up to {listed}"


def _trained_on(kinds: tuple[Kind, ...]) -> bool:
    return any(kind.kind in ("fine_tune", "continued_pretraining") for kind in kinds)


def _origin(direction: Direction | None, kinds: tuple[Kind, ...]) -> str:
    if direction in (None, Direction.UNDIRECTED):
        return (
            ": one comes from the other, or both from a common trained ancestor, which two checkpoints cannot tell "
            "apart."
        )
    child, parent = ("B", "A") if direction is Direction.A_TO_B else ("A", "B")
    if any(kind.parameters.get("child") is not None for kind in kinds):
        return f": {child} comes from {parent}, as the change shows."
    return f": {child}'s values are {parent}'s, rounded."


def _common_origin(observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...]) -> str:
    causes = (
        "the same initialisation, an early fork, index-aligned distillation, a shared frozen part, "
        "or very heavy retraining"
        if observed.two_axis_dependence
        else "index-aligned distillation, a shared frozen encoder, or shared pretrained vectors"
    )
    return (
        "A and B are not independent, but the evidence does not show that trained weights were copied. "
        f"Causes that leave such a trace: {causes}."
    )


def _independent(observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...]) -> str:
    text = "No sign that A and B share weights"
    excluded = equal_but_not_learned(observed)
    if excluded:
        noun = "tensor" if excluded == 1 else "tensors"
        text += f" ({excluded} equal {noun} that nobody learned, such as constants and tables, left out)"
    if judgement.ruling.scope is None:
        text += ", as they are or with layers, units and bases of either side sought in the other. Those searches see "
        text += f"through a change by about {thresholds().seen_drift:.0%} where tokens, neurons and basis are all out "
        text += "of order, and through larger ones where one of them is in place."
    else:
        text += f". Scope: {judgement.ruling.scope}."
    if any(pair.a.shape != pair.b.shape for pair in observed.pairing.pairs):
        searched = any(s.way is Way.STRUCTURE and s.outcome is Outcome.MADE for s in observed.searches)
        text += " Sizes differ: leading units were compared; other subsets of units were "
        text += "searched and not found." if searched else "not searched."
    return text


def _inconclusive(observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...]) -> str:
    return f"The weights do not decide: {judgement.ruling.reason}."


def equal_but_not_learned(observed: Observation) -> int:
    """Number of looked-at tensors that are equal on both sides and were set aside as not learned."""
    return sum(
        item.equality.identical
        for item in observed.measurement.tensors
        if item.pair.a.name in observed.a.inventory.set_aside or item.not_learned is not None
    )


_SENTENCES = {
    Relation.IDENTICAL: _identical,
    Relation.DERIVED: _derived,
    Relation.COMMON_ORIGIN: _common_origin,
    Relation.INDEPENDENT: _independent,
    Relation.INCONCLUSIVE: _inconclusive,
}
