"""A whole comparison: the sections in their order, or one line."""

from __future__ import annotations

from rich.console import RenderableType

from cli.render.architecture import architecture_section
from cli.render.evidence import evidence_section
from cli.render.layers import layers_section
from cli.render.remarks import claims_section, findings_section, footer, not_measured_section
from cli.render.verdict import verdict_section
from cli.render.view import View
from provenance.escaping import visible
from provenance.result import Result


def report(result: Result, view: View) -> list[RenderableType]:
    """Everything a person wants to know, the answer first."""
    return [
        *verdict_section(result, view),
        *architecture_section(result.architecture, view),
        *evidence_section(result.evidence, view),
        *layers_section(result.layers, view),
        *claims_section(result.claims, view),
        *findings_section({"A": result.a.findings, "B": result.b.findings}, view),
        *not_measured_section(result.not_measured, view),
        *footer(result.run, view),
    ]


def one_line(result: Result) -> str:
    """`derived log10_p=-312.4 kinds=fine_tune,renamed`: three fields without spaces, in ASCII."""
    verdict = result.verdict
    log10_p = "none" if verdict.log10_p is None else f"{verdict.log10_p:.6g}"
    kinds = ",".join(kind.kind for kind in verdict.kinds) or "none"
    return visible(f"{verdict.relation} log10_p={log10_p} kinds={kinds}", limit=1000, ascii_only=True) + "\n"
