"""One row of a scan: what is known about one target, or why nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provenance.jobs.category import Category
from provenance.scan.claim import Claimed
from provenance.scan.derivative_class import DerivativeClass


class State(StrEnum):
    """How far a target is."""

    PENDING = "pending"
    DONE = "done"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What reports are made from. The fields up to `message` are the columns of every format, in this order.

    Attributes
    ----------
    target, revision
        As given, and the commit that it was read at; None for local files.
    state : State
        `pending` until it is decided.
    relation, base, direction, kinds, effect, log10_p
        To the closest relative in the library; `base` is None where none was found. `log10_p` is corrected for every
        model of the library that the target was compared with. `direction` is `base_to_target`, `target_to_base`,
        `undirected` or None.
    claim, declared
        How the declared bases agree with the weights, and what they are.
    licence, base_licence, duties
        As declared by the target and by its base; what the base's licence asks for, where the table knows it.
    derivative_class
        In the words of California's bill SB 1047; informative.
    bytes_read, requests, seconds
        Of this target, of all comparisons; requests to the Hub.
    error, message
        Category and text, when the state is `error`.
    stamp
        Changes when the target's content does; what `--refresh` looks at.
    """

    target: str
    revision: str | None = None
    state: State = State.PENDING
    relation: str | None = None
    base: str | None = None
    kinds: tuple[str, ...] = ()
    claim: Claimed | None = None
    log10_p: float | None = None
    bytes_read: int = 0
    error: Category | None = None
    direction: str | None = None
    effect: float | None = None
    declared: tuple[str, ...] = ()
    licence: str | None = None
    base_licence: str | None = None
    licence_agrees: bool | None = None
    duties: tuple[str, ...] = ()
    derivative_class: DerivativeClass | None = None
    seconds: float = 0.0
    attempts: int = 0
    message: str | None = None
    requests: int = 0
    stamp: str | None = None
