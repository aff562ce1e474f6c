"""The verdict: what a reader should take away, in a frame, in words."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.render.view import View
from provenance import wording
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
    title = Text.assemble((wording.headline(verdict, view.say), f"bold {color}"), f"  ({verdict.relation})")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(overflow="fold")
    for label, fact in _facts(result, view):
        facts.add_row(Text(label), fact)
    if result.third is not None:
        words = view.prose(f"C = {result.third.reference}: {result.third.tree}")
        facts.add_row(Text(view.say("terminal.third")), words)
    summary = [view.prose(wording.summary(result, view.say))]
    if wording.is_translated(view.say):
        summary.append(view.prose(f"{view.say('summary.recorded')} {verdict.summary}", style="dim"))
    body = Group(title, Text(), *summary, Text(), facts)
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
    verdict, say = result.verdict, view.say
    facts = [("A", _model(result.a, view)), ("B", _model(result.b, view))]
    operations = [kind for kind in verdict.kinds if not kind.packaging]
    packaging = [kind for kind in verdict.kinds if kind.packaging]
    for label, kinds in (("terminal.kind", operations), ("terminal.packaging", packaging)):
        facts += [("" if index else say(label), kind_words(kind, view)) for index, kind in enumerate(kinds)]
    if verdict.direction is not None:
        facts.append((say("label.direction"), Text(wording.direction(verdict, say))))
    facts.append((say("label.p"), Text(wording.p_value(verdict, say))))
    facts.append((say("label.effect"), Text(wording.effect(verdict, say))))
    facts.append((say("label.coverage"), Text(wording.coverage(verdict, say))))
    if (scope := wording.scope(verdict, say)) is not None:
        facts.append((say("label.scope"), view.prose(scope)))
    facts.append((say("label.clause"), view.prose(verdict.clause)))
    if verdict.basis is not None:
        facts.append((say("label.basis"), view.prose(verdict.basis)))
    return facts


def _model(model: ModelSummary, view: View) -> Text:
    words = view.name(model.reference)
    if model.revision:
        words.append(view.say("terminal.revision", revision=view.name(model.revision, limit=48)))
    dtypes = ", ".join(sorted(model.dtypes, key=lambda dtype: (-model.dtypes[dtype], dtype)))
    held = view.say(
        "terminal.model",
        learned=wording.count(model.learned_params, view.say),
        format=view.name(model.format),
        types=view.name(dtypes, limit=48),
    )
    return words.append(f"  ({held})")
