"""Declared bases against what the weights show.

confirmed      a declared base is a relative
contradicted   a declared base is in the library, and its weights are independent of the target's
undeclared     there is a relative, and no base is declared
unverifiable   bases are declared, and none of them could be decided
none           nothing declared, nothing found
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from provenance.scan.declaration import same_model


class Claimed(StrEnum):
    """How declaration and weights agree."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNDECLARED = "undeclared"
    UNVERIFIABLE = "unverifiable"
    NONE = "none"


def check_claim(
    declared: Collection[str], *, target: str, relatives: Collection[str], strangers: Collection[str]
) -> Claimed:
    """Compare declared bases with what was found.

    A base that is not in the library says nothing: a relative of another name may be its ancestor.

    Parameters
    ----------
    declared : collection of str
        Names of bases.
    target : str
        The model itself: a configuration often names the model that it belongs to.
    relatives, strangers : collection of str
        Models of the library that are related to the target, and those whose weights are independent of its.
    """
    others = [name for name in declared if not same_model(name, target)]
    if not others:
        found = [name for name in relatives if not same_model(name, target)]
        return Claimed.UNDECLARED if found else Claimed.NONE
    if any(same_model(name, each) for name in others for each in relatives):
        return Claimed.CONFIRMED
    if any(same_model(name, each) for name in others for each in strangers):
        return Claimed.CONTRADICTED
    return Claimed.UNVERIFIABLE
