"""The verdict: what a reader should take away, in a frame, in words."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.render.view import View
from provenance import wording
from provenance.messages import messages
from provenance.reports import numbers
from provenance.result import Kind, ModelSummary, Relation, Result

_COLORS = {
    Relation.IDENTICAL: "cyan",
    Relation.DERIVED: "yellow",
    Relation.COMMON_ORIGIN: "yellow",
    Relation.INDEPENDENT: "green",
    Relation.INCONCLUSIVE: "magenta",
}


def verdict_section(result: Result, view: View) -> list[RenderableType]:
    """The verdict panel: the relation in words, the summary, and the figures behind them."""
    verdict = result.verdict
    color = _COLORS[verdict.relation]
    title = Text.assemble((wording.headline(verdict, messages()), f"bold {color}"), f"  ({verdict.relation})")
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
    facts = [("A", _model(result.a, view)), ("B", _model(result.b, view))]
    operations = [kind for kind in verdict.kinds if not kind.packaging]
    packaging = [kind for kind in verdict.kinds if kind.packaging]
    facts += [("kind" if index == 0 else "", kind_words(kind, view)) for index, kind in enumerate(operations)]
    facts += [("packaging" if index == 0 else "", kind_words(kind, view)) for index, kind in enumerate(packaging)]
    if verdict.direction is not None:
        facts.append(("direction", Text(wording.direction(verdict, messages()))))
    facts.append(("p-value", Text(wording.p_value(verdict, messages()))))
    facts.append(("effect", Text(wording.effect(verdict, messages()))))
    facts.append(("coverage", Text(wording.coverage(verdict, messages()))))
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
