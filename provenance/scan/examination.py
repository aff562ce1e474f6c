"""What a scan does with one target: find it, find its relatives, compare its claims with them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fingerprints.errors import NotACheckpoint, UnsupportedFormat
from fingerprints.fingerprint import open_model
from fingerprints.readers.mount import revision_of
from provenance.hub import Hub
from provenance.hub.patience import OF_SCANS
from provenance.jobs.failure import charged
from provenance.options import Options
from provenance.result import Direction, rounded
from provenance.scan.claim import check_claim
from provenance.scan.declaration import Declaration, read_declaration
from provenance.scan.derivative_class import derivative_class
from provenance.scan.indexed import indexed_relatives
from provenance.scan.licence import check_licence
from provenance.scan.purse import Grant
from provenance.scan.references import References
from provenance.scan.relatives import Relative, Relatives, compared_relatives
from provenance.scan.row import Row, State
from provenance.scan.shelf import Shelf
from provenance.scan.shipment import Shipped
from provenance.scan.stamp import stamp_of

_DIRECTIONS: Final = {
    Direction.A_TO_B: "base_to_target",
    Direction.B_TO_A: "target_to_base",
    Direction.UNDIRECTED: "undirected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How targets are examined; plain data, so that it reaches workers.

    `library` is the models of a folder, or a library of fingerprints: its folder, or what was sent to this worker.
    """

    library: References | Path | Shipped
    options: Options


def examine(asked: tuple[str, Grant], how: Examination) -> Row:
    """Look for a target in the library, and compare its claims with what that shows.

    Parameters
    ----------
    asked : tuple of str and Grant
        The target, and what it may fetch.
    how : Examination
        Everything that is the same for all targets.

    Raises
    ------
    ChargedError
        When the target cannot be used.
    """
    started = time.monotonic()
    target, grant = asked
    options = how.options
    hub = Hub(
        budget=options.budget,
        allow_download=options.allow_download,
        patience=OF_SCANS,
        requests=grant.requests,
        nbytes=grant.nbytes,
        per_minute=grant.per_minute,
    )
    with charged(hub):
        place = hub.locate(target)
        revision = revision_of(Path(place))
        # Taken first: content that changes while it is read must look changed to the next `--refresh`.
        stamp = revision or stamp_of(Path(place))
        declared = _declaration(place)
        if isinstance(how.library, References):
            relatives = compared_relatives(place, how.library, options)
            strangers = relatives.strangers(declared.bases)
        else:
            with Shelf(how.library.place if isinstance(how.library, Shipped) else how.library) as library:
                relatives = indexed_relatives(place, library, options)
                strangers = relatives.strangers(declared.bases)
        read = relatives.bytes_read if revision is None else hub.traffic.bytes_fetched
    row = Row(
        target=target,
        state=State.DONE,
        revision=revision,
        relation=relatives.otherwise,
        claim=check_claim(declared.bases, target=target, relatives=relatives.names, strangers=strangers),
        declared=declared.bases,
        licence=declared.licence,
        bytes_read=read,
        requests=hub.traffic.requests,
        stamp=stamp,
    )
    row = _with_base(row, relatives)
    return replace(row, seconds=rounded(time.monotonic() - started))


def _declaration(place: str | Path) -> Declaration:
    """What the target says of itself; found out now, while a repository has a place: whether it holds a model."""
    try:
        with open_model(place) as checkpoint:
            return read_declaration(checkpoint.origin)
    except NotACheckpoint as error:
        if not os.path.lexists(place):
            raise
        raise UnsupportedFormat(error.message, path=error.path, hint=error.hint) from error


def _with_base(row: Row, relatives: Relatives) -> Row:
    if not relatives.found:
        return row
    base: Relative = relatives.found[0]
    licence = check_licence(row.licence, base.licence, row.target)
    return replace(
        row,
        relation=base.relation,
        base=base.name,
        kinds=base.kinds,
        direction=None if base.direction is None else _DIRECTIONS[base.direction],
        effect=base.effect,
        log10_p=base.log10_p,
        base_licence=base.licence,
        licence_agrees=licence.agrees,
        duties=licence.duties,
        derivative_class=derivative_class(base.relation, base.kinds),
    )
