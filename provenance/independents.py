"""What independently trained models reach where no exact test exists: measured, and shipped for reports to quote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Independents:
    """Shares of neurons that strangers match alike by what they read and by what they pass on.

    Attributes
    ----------
    pairs : int
        Pairs that were measured, every search forced to its end.
    most : float
        Largest median of the layers that count, of any pair.
    first, later : float
        Largest share of any first layer, and of any later one.
    """

    pairs: int
    most: float
    first: float
    later: float


@cache
def independents() -> Independents:
    """The table, read once."""
    table = json.loads(resources.files("provenance").joinpath("data/independents.json").read_text("utf-8"))
    most = {place: max(row["most"] for row in table["rows"] if row["layer"] == place) for place in ("first", "later")}
    return Independents(pairs=table["pairs"], most=table["medians"]["most"], **most)
