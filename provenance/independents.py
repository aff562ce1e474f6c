"""What independently trained models reach where no exact test exists: measured, and shipped for reports to quote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The largest median of the layers of any pair, and how many pairs were measured."""

    most: float
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Independents:
    """Shares of units that strangers match alike by what they read and by what they pass on.

    Every search was forced to its end.

    Attributes
    ----------
    neurons, channels : Reached
        Of pairs of towers, and of convolutional networks.
    layers : mapping
        The largest share of any `first` layer of a tower, of any `later` one, and of the `channels` that a layer takes.
    """

    neurons: Reached
    channels: Reached
    layers: Mapping[str, float]


@cache
def independents() -> Independents:
    """The table, read once."""
    table = json.loads(resources.files("provenance").joinpath("data/independents.json").read_text("utf-8"))
    layers: dict[str, float] = {}
    for row in table["rows"]:
        layers[row["layer"]] = max(row["most"], layers.get(row["layer"], 0.0))
    medians = {what: Reached(most=found["most"], pairs=found["count"]) for what, found in table["medians"].items()}
    return Independents(neurons=medians["neurons"], channels=medians["channels"], layers=layers)
