"""What a scan does with one target: find it, find its relatives, compare its claims with them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fingerprints.errors import NotACheckpoint, UnsupportedFormat
from fingerprints.fingerprint import open_model
from fingerprints.readers.mount import revision_of
from provenance.hub import Hub
from provenance.hub.patience import OF_SCANS
from provenance.jobs.failure import charged
from provenance.library.files import Files, files_of
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

if TYPE_CHECKING:
    from provenance.hub.listing import Listing

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One target, and what is known of it already.

    Attributes
    ----------
    target : str
        As given.
    grant : Grant
        What it may fetch.
    listing : Listing or None
        Of its repository, at the commit at which it is read.
    same_files : mapping
        Contents of the library whose files the repository lists.
    """

    target: str
    grant: Grant
    listing: Listing | None = None
    same_files: Mapping[str, Files] = field(default_factory=dict)


def examine(asked: Asked, how: Examination) -> Row:
    """Look for a target in the library, and compare its claims with what that shows.

    Parameters
    ----------
    asked : Asked
        The target.
    how : Examination
        Everything that is the same for all targets.

    Raises
    ------
    ChargedError
        When the target cannot be used.
    """
    started = time.monotonic()
    target, grant, options = asked.target, asked.grant, how.options
    hub = Hub(
        budget=options.budget,
        allow_download=options.allow_download,
        patience=OF_SCANS,
        requests=grant.requests,
        nbytes=grant.nbytes,
        per_minute=grant.per_minute,
    )
    with charged(hub):
        place = hub.locate(target, asked.listing)
        revision = revision_of(Path(place))
        # Taken first: content that changes while it is read must look changed to the next `--refresh`.
        stamp = revision or stamp_of(Path(place))
        declared, same = _opened(place, asked.same_files)
        if isinstance(how.library, References):
            relatives = compared_relatives(place, how.library, options)
            strangers = relatives.strangers(declared.bases)
        else:
            with Shelf(how.library.place if isinstance(how.library, Shipped) else how.library) as library:
                relatives = indexed_relatives(place, library, options, same)
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


def _opened(place: str | Path, same_files: Mapping[str, Files]) -> tuple[Declaration, str | None]:
    """What the target says of itself, and the content of the library that lies in the same files, if one does.

    Found out now, while a repository has a place: whether it holds a model.
    """
    try:
        with open_model(place) as checkpoint:
            files = files_of(checkpoint) if same_files else None
            same = next((content for content, known in same_files.items() if known == files), None)
            return read_declaration(checkpoint.origin), same
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
