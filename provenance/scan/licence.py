"""What the licence of a base asks of its derivatives, from a small sourced table. No legal advice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """One licence: identifiers as cards spell them, the date that the text bears, where it is, and its duties.

    `name_prefix` is what names of distributed derivatives must begin with, if anything.
    """

    ids: tuple[str, ...]
    name: str
    dated: str | None
    source: str
    duties: tuple[str, ...]
    name_prefix: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceCheck:
    """Whether both declare the same licence (None where one declares none), and what the base's asks for."""

    agrees: bool | None
    duties: tuple[str, ...]


@cache
def licences() -> Mapping[str, Licence]:
    """Every known licence by each of its identifiers."""
    table = json.loads(resources.files("provenance").joinpath("data/licences.json").read_text("utf-8"))
    known: dict[str, Licence] = {}
    for entry in table["licences"]:
        licence = Licence(
            ids=tuple(entry["ids"]),
            name=entry["name"],
            dated=entry["dated"],
            source=entry["source"],
            duties=tuple(entry["duties"]),
            name_prefix=entry["name_prefix"],
        )
        known |= dict.fromkeys(licence.ids, licence)
    return known


def check_licence(declared: str | None, base: str | None, target: str) -> LicenceCheck:
    """Compare the licence that a target declares with that of its base.

    Parameters
    ----------
    declared, base : str or None
        Identifiers as cards have them.
    target : str
        The target's name, for licences that prescribe how it begins.
    """
    known = licences()
    own, its = (None if name is None else name.casefold() for name in (declared, base))
    licence = None if its is None else known.get(its)
    agrees = None
    if own is not None and its is not None:
        agrees = own == its or (licence is not None and known.get(own) is licence)
    return LicenceCheck(agrees=agrees, duties=() if licence is None else _open_duties(licence, target))


def _open_duties(licence: Licence, target: str) -> tuple[str, ...]:
    """All duties, but for the name where it is as prescribed."""
    name = target.partition("@")[0].rstrip("/").rpartition("/")[2]
    prefix = licence.name_prefix
    kept = prefix is not None and _letters(name).startswith(_letters(prefix))
    return tuple(duty for duty in licence.duties if not (kept and duty.startswith("begin the name")))


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
