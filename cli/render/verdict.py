"""The verdict: what a reader should take away, in a frame, in words."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.render import numbers
from cli.render.view import View
from provenance.result import Direction, Kind, ModelSummary, Relation, Result, Verdict

_WORDS = {
    Relation.IDENTICAL: "B's weights are identical to A's",
    Relation.DERIVED: "A and B share trained weights",
    Relation.COMMON_ORIGIN: "A and B have a common origin, short of derivation",
    Relation.INDEPENDENT: "No sign of shared weights",
    Relation.INCONCLUSIVE: "Could not be decided",
}
_DERIVED_WORDS = {
    Direction.A_TO_B: "B's weights are derived from A's",
    Direction.B_TO_A: "A's weights are derived from B's",
}
_COLORS = {
    Relation.IDENTICAL: "cyan",
    Relation.DERIVED: "yellow",
    Relation.COMMON_ORIGIN: "yellow",
    Relation.INDEPENDENT: "green",
    Relation.INCONCLUSIVE: "magenta",
}
_DIRECTION_WORDS = {
    Direction.A_TO_B: "from A to B",
    Direction.B_TO_A: "from B to A",
    Direction.UNDIRECTED: "not told by the weights: either from the other, or both from a common ancestor",
}


def in_words(verdict: Verdict) -> str:
    """The relation as a sentence."""
    if verdict.relation is Relation.DERIVED and verdict.direction in _DERIVED_WORDS:
        return _DERIVED_WORDS[verdict.direction]
    return _WORDS[verdict.relation]


def verdict_section(result: Result, view: View) -> list[RenderableType]:
    """The verdict panel: the relation in words, the summary, and the figures behind them."""
    verdict = result.verdict
    color = _COLORS[verdict.relation]
    title = Text.assemble((in_words(verdict), f"bold {color}"), f"  ({verdict.relation})")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(overflow="fold")
    for label, fact in _facts(result, view):
        facts.add_row(Text(label), fact)
    if result.third is not None:
        facts.add_row(Text("third relative"), view.prose(f"C = {result.third.reference}: {result.third.tree}"))
    body = Group(title, Text(), view.prose(verdict.summary), Text(), facts)
    return [Panel(body, box=view.frame, border_style=color, padding=(0, 1))]


def kind_words(kind: Kind, view: View) -> Text:
    """One kind with its parameters, and with -v what shows it."""
    words = view.name(kind.kind)
    if kind.parameters:
        words.append(" (")
        for index, (key, value) in enumerate(kind.parameters.items()):
            words.append(", " if index else "").append_text(view.name(key)).append(" ").append_text(view.value(value))
        words.append(")")
    if view.verbose and kind.evidence:
        words.append(": ").append_text(view.prose(kind.evidence))
    return words


def _facts(result: Result, view: View) -> list[tuple[str, Text]]:
    verdict = result.verdict
    coverage = verdict.coverage
    facts = [("A", _model(result.a, view)), ("B", _model(result.b, view))]
    operations = [kind for kind in verdict.kinds if not kind.packaging]
    packaging = [kind for kind in verdict.kinds if kind.packaging]
    facts += [("kind" if index == 0 else "", kind_words(kind, view)) for index, kind in enumerate(operations)]
    facts += [("packaging" if index == 0 else "", kind_words(kind, view)) for index, kind in enumerate(packaging)]
    if verdict.direction is not None:
        facts.append(("direction", Text(_DIRECTION_WORDS[verdict.direction])))
    facts.append(("p-value", Text(_p_value(verdict))))
    facts.append(("effect", Text(_effect(verdict))))
    share = f"{numbers.percent(coverage.a)} of A's learned parameters, {numbers.percent(coverage.b)} of B's"
    if coverage.extrapolated:
        share += f"; {numbers.percent(coverage.extrapolated)} extrapolated from sampled layers"
    facts.append(("coverage", Text(share)))
    if verdict.scope is not None:
        facts.append(("scope", view.prose(verdict.scope)))
    facts.append(("decided by", view.prose(verdict.clause)))
    if verdict.basis is not None:
        facts.append(("basis", view.prose(verdict.basis)))
    return facts


def _model(model: ModelSummary, view: View) -> Text:
    words = view.name(model.reference)
    if model.revision:
        words.append(" at ").append_text(view.name(model.revision, limit=48))
    learned = numbers.count(model.learned_params)
    dtypes = ", ".join(sorted(model.dtypes, key=lambda dtype: (-model.dtypes[dtype], dtype)))
    words.append(f"  ({learned} learned parameters, ").append_text(view.name(model.format))
    words.append(" ").append_text(view.name(dtypes, limit=48)).append(")")
    return words


def _p_value(verdict: Verdict) -> str:
    if verdict.log10_p is None:
        return "none: no exact test exists, or none could be made"
    tests = "1 test" if verdict.tests == 1 else f"{verdict.tests} tests"
    return f"{numbers.p_value(verdict.log10_p)}, corrected for {tests} (alpha {verdict.alpha:g})"


def _effect(verdict: Verdict) -> str:
    noticed = verdict.min_detectable_effect
    floor = "" if noticed is None else f"{numbers.cosine(noticed)} would have been noticed"
    if verdict.effect is None:
        return f"none measured{'; a cosine of ' + floor if floor else ''}"
    return f"median matched cosine {numbers.cosine(verdict.effect)}{'; ' + floor if floor else ''}"
