"""`identify`: architecture from headers, candidates from an index, confirmation by exact tests, then geometry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fingerprints.fingerprint import open_model
from fingerprints.readers.quoting import quoted
from provenance.fingerprint_comparison import Printed, observe, printed
from provenance.fingerprinting import fingerprint_of
from provenance.hub import Hub
from provenance.identification import geometry
from provenance.identification.catalogue import catalogue
from provenance.identification.layouts import known_layouts
from provenance.identification.result import Candidate, Declared, Identification
from provenance.identification.search import Found, IdentifyOptions, Search
from provenance.identification.summary import summarise
from provenance.library import Library
from provenance.options import ALPHA, Progress, Silent
from provenance.result import Relation
from provenance.scan.declaration import read_declaration, same_model
from provenance.side import digest_of, summarise_side

_CLAIMS = ("base_model", "_name_or_path", "base_model_name_or_path")


def identify(
    model: str | Path,
    library: Library | None,
    options: IdentifyOptions | None = None,
    progress: Progress | None = None,
) -> Identification:
    """Find the known models that a checkpoint comes from.

    Parameters
    ----------
    model : str or Path
        A file or folder, a fingerprint, or as text a model on the Hub.
    library : Library or None
        Where to search; None answers the architecture half alone.
    options : IdentifyOptions, optional
        What to do differently.
    progress : Progress, optional
        Told how far it is.

    Raises
    ------
    CheckpointError
        When the model, or the library, cannot be used.
    """
    started = time.monotonic()
    options, progress = options or IdentifyOptions(), progress or Silent()
    with Hub() as hub, open_model(hub.locate(model), variant=options.variant) as checkpoint:
        side = printed(fingerprint_of(checkpoint, grade=options.grade, progress=progress), checkpoint.origin)
        digest = f"fingerprint:blake2b:{side.fingerprint.content}"
        summary = summarise_side(side.side, digest if side.fingerprint.whole else digest_of(checkpoint, whole=False))
        progress.stage("looking for known architectures")
        layouts = known_layouts(side) if options.architecture else ()
        search = None if library is None else Search(checkpoint, side, library, options, progress)
        found = [] if search is None else search.run()
    found.sort(key=lambda each: (_order(each.candidate), -(each.candidate.effect or 0.0), each.candidate.name))
    # What shares trained weights is closer than what has only its beginning in common.
    strong = [each for each in found if each.candidate.relation is not Relation.COMMON_ORIGIN] or found
    near = geometry.closest([each.path for each in strong], partial(_between, strong))
    order = [*near, *(place for place in range(len(found)) if place not in near)]
    ranked = [found[place] for place in order]
    candidates = _with_ways(ranked, len(near))[: options.top]
    closest = tuple(each.candidate.name for each in ranked[: len(near)])
    searched, tested = (0, 0) if search is None else (search.searched, search.tested)
    build = None if search is not None and search.searched else sum(each.fingerprint_bytes for each in catalogue())
    layouts = (*(() if search is None else search.layouts), *layouts)
    return Identification(
        model=summary,
        candidates=candidates,
        closest=closest,
        layouts=layouts,
        declared=() if library is None else _declared(side, library, candidates, closest),
        searched=searched,
        tested=tested,
        alpha=options.alpha / max(searched, 1),
        library=None if library is None else str(library.path),
        build_bytes=build,
        not_measured=() if search is None else tuple(search.not_measured),
        summary=summarise(candidates, closest, layouts, searched=searched, build_bytes=build),
        seconds=time.monotonic() - started,
    )


def _with_ways(ranked: Sequence[Found], near: int) -> tuple[Candidate, ...]:
    """Candidates with the closest one that they are related through; in order of their distances behind it."""
    if not ranked:
        return ()
    first, shown = ranked[0], [each.candidate for each in ranked[:near]]
    behind = sorted(ranked[near:], key=lambda each: (_order(each.candidate), each.candidate.name))
    for each in behind:
        through = geometry.leads_through(first.path, _between((each, first), 0, 1), each.path)
        shown.append(replace(each.candidate, through=first.candidate.name if through else None))
    return tuple(shown)


def _between(found: Sequence[Found], one: int, other: int) -> geometry.Path:
    """The path between two candidates."""
    observed, _ = observe(found[one].side, found[other].side, alpha=ALPHA)
    return geometry.path_of(observed)


def _order(candidate: Candidate) -> tuple[bool, bool, float]:
    far = candidate.relation is Relation.COMMON_ORIGIN
    return far, candidate.distance is None, candidate.distance or 0.0


def _declared(
    side: Printed, library: Library, candidates: Sequence[Candidate], closest: Sequence[str]
) -> tuple[Declared, ...]:
    """Bases that metadata names, against what was found."""
    config = side.side.origin.config
    claims = (config[claim] for claim in _CLAIMS if isinstance(config.get(claim), str) and config[claim])
    written = () if side.side.origin.format == "fingerprint" else read_declaration(side.side.origin).bases
    found: list[Declared] = []
    for name in dict.fromkeys((*written, *claims)):
        related = next((each for each in candidates if any(same_model(name, own) for own in each.names)), None)
        known = related is not None or library.database.content_of(name) is not None
        found.append(
            Declared(
                name=name if known else quoted(name).strip("'"),
                related=related is not None if known else None,
                closest=related is not None and related.name in closest if known else None,
            )
        )
    return tuple(found)
