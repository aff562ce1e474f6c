"""The page of an identification."""

from __future__ import annotations

from provenance.identification.result import Declared, Identification
from provenance.reports import numbers
from provenance.reports.encoder import Presentation
from provenance.reports.html.page import render_page
from provenance.version import DISTRIBUTION, installed


def encode(result: Identification, presentation: Presentation) -> str:
    """`result` as one HTML page."""
    return render_page(
        "identification.html",
        presentation.say,
        result=result,
        declared=[(each.name, f"identify.declared.{_standing(each)}") for each in result.declared],
        percent=numbers.percent,
        version=installed(DISTRIBUTION),
    )


def _standing(each: Declared) -> str:
    if each.related is None:
        return "unknown"
    return ("closest" if each.closest else "yes") if each.related else "no"
