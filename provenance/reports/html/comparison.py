"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from provenance import wording
from provenance.reports import numbers
from provenance.reports.encoder import Presentation
from provenance.reports.html.page import render_page
from provenance.reports.layer_map import find_layer_map
from provenance.reports.picture import draw_picture
from provenance.reports.reproduction import compare_command, verify_command
from provenance.result import Result
from provenance.tensor_entry import TensorEntry

MOST_ROWS = 600
"""Rows of a table; the JSON has all. Keeps the page of any pair below 1.5 MB."""

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(Generic[_Entry]):
    """The rows of a table that are shown, and how many are not."""

    rows: tuple[_Entry, ...]
    more: int


def encode(result: Result, presentation: Presentation) -> str:
    """`result` as one HTML page."""
    say, verdict = presentation.say, result.verdict
    architecture = result.architecture
    return render_page(
        "comparison.html",
        say,
        result=result,
        verdict=verdict,
        headline=wording.headline(verdict, say),
        summary=wording.summary(result, say),
        statement=wording.statement(result, say),
        translated=wording.is_translated(say),
        kind_words=lambda kind: wording.kind_words(kind, say),
        facts=_facts(result, presentation),
        kinds=_shown(verdict.kinds),
        picture=draw_picture(result.layers),
        layer_map=find_layer_map(verdict.kinds),
        floor=verdict.min_detectable_effect,
        renames=_shown(architecture.renames),
        layouts=_shown(architecture.layouts),
        alone={"a": _shown(tuple(architecture.only_a.items())), "b": _shown(tuple(architecture.only_b.items()))},
        deciding=_shown([item for item in result.evidence if item.decides]),
        detail=_shown([item for item in result.evidence if not item.decides]),
        tensors=_shown(result.tensors, key=_most_changed),
        claims=_shown(result.claims),
        findings=_shown([("A", each) for each in result.a.findings] + [("B", each) for each in result.b.findings]),
        not_measured=_shown(result.not_measured),
        options=_shown(tuple(result.run.options.items())),
        commands={"compare": compare_command(result), "verify": verify_command(result)},
        share=numbers.percent(result.run.bytes_read / result.run.bytes_total) if result.run.bytes_total else None,
    )


def _facts(result: Result, presentation: Presentation) -> list[tuple[str, str, bool]]:
    """Label, text, and whether the text is the record's own, in English."""
    say, verdict = presentation.say, result.verdict
    facts: list[tuple[str, str | None, bool]] = [
        ("label.relation", verdict.relation, True),
        ("label.direction", wording.direction(verdict, say), False),
        ("label.p", wording.p_value(verdict, say), False),
        ("label.effect", wording.effect(verdict, say), False),
        ("label.coverage", wording.coverage(verdict, say), False),
        ("label.scope", wording.scope(verdict, say), wording.scope(verdict, say) == verdict.scope),
        ("label.clause", verdict.clause, True),
        ("label.basis", verdict.basis, True),
    ]
    return [(say(label), text, recorded) for label, text, recorded in facts if text is not None]


def _shown(entries: Sequence[_Entry], key: Callable[[_Entry], Any] | None = None) -> Shown[_Entry]:
    ordered = entries if key is None or len(entries) <= MOST_ROWS else sorted(entries, key=key)
    return Shown(rows=tuple(ordered[:MOST_ROWS]), more=max(len(entries) - MOST_ROWS, 0))


def _most_changed(entry: TensorEntry) -> float:
    return -(entry.relative_change or 0.0)
