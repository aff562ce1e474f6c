"""The relatives of a target in a library of fingerprints: those that its index brings up are tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fingerprints.fingerprint import Grade, open_model
from fingerprints.readers.mount import revision_of
from provenance.comparison import compare
from provenance.fingerprint_comparison import observe, printed
from provenance.fingerprinting import fingerprint_of
from provenance.identification import Candidate, IdentifyOptions, identify
from provenance.library import Entry, Library
from provenance.options import Options
from provenance.result import Direction, Relation
from provenance.scan.relatives import Relative, Relatives, corrected


def indexed_relatives(place: str | Path, library: Library, options: Options, same: str | None = None) -> Relatives:
    """Identify a target, and compare it with the closest model itself where that is at hand.

    Of a target on the Hub a fingerprint of scan grade is taken; of one that lies in the same files as an entry of the
    library, that entry's own is used, and no weights are read.

    Parameters
    ----------
    place : str or Path
        The target.
    library : Library
        The known models.
    options : Options
        Of each comparison.
    same : str, optional
        The content that lies in the same files.

    Raises
    ------
    AuditError
        When the target or the library cannot be used.
    """
    grade = Grade.FULL if revision_of(Path(place)) is None else Grade.SCAN
    twin = None if same is None else library.entry(same)
    place = place if twin is None else library.file_of(twin.content)
    asked = IdentifyOptions(alpha=options.alpha, threads=options.threads, grade=grade, architecture=False)
    found = identify(place, library, asked)
    read = 0
    relatives = []
    for rank, candidate in enumerate(found.candidates):
        direction = None
        if not rank:
            direction, read = _direction(candidate, place, library, options)
        relatives.append(
            Relative(
                name=candidate.name,
                relation=candidate.relation,
                kinds=tuple(kind.kind for kind in candidate.kinds),
                direction=direction,
                effect=candidate.effect,
                log10_p=corrected(candidate.log10_p, found.searched),
                licence=candidate.licence or None,
            )
        )
    names = tuple(name for candidate in found.candidates for name in candidate.names)
    if twin is not None:
        relatives = _with_twin(twin, relatives)
        names += twin.names

    def strangers(declared: tuple[str, ...]) -> list[str]:
        """An index that does not bring a model up has not tested it: that is done here, for those that matter."""
        known = {name: library.database.content_of(name) for name in declared if name not in names}
        present = {name: content for name, content in known.items() if content is not None}
        if not present:
            return []
        with open_model(place) as checkpoint:
            # As much of it as before, however much the library's own fingerprints are of.
            side = printed(fingerprint_of(checkpoint, grade=grade), checkpoint.origin)
        judged = {
            name: observe(library.read(content), side, alpha=options.alpha)[1] for name, content in present.items()
        }
        return [name for name, judgement in judged.items() if judgement.ruling.relation is Relation.INDEPENDENT]

    return Relatives(found=tuple(relatives), otherwise=None, names=names, strangers=strangers, bytes_read=read)


def _with_twin(twin: Entry, relatives: Sequence[Relative]) -> list[Relative]:
    """What lies in the same files comes first, and is identical whatever fingerprints can show of it."""
    itself = next(
        (each for each in relatives if each.name == twin.name),
        Relative(
            name=twin.name,
            relation=Relation.IDENTICAL,
            kinds=(),
            direction=None,
            effect=None,
            log10_p=None,
            licence=twin.licence or None,
        ),
    )
    others = [each for each in relatives if each is not itself]
    return [replace(itself, relation=Relation.IDENTICAL, kinds=()), *others]


def _direction(
    candidate: Candidate, place: str | Path, library: Library, options: Options
) -> tuple[Direction | None, int]:
    """The way between a candidate and the target, which fingerprints do not tell, and the bytes that it took."""
    if candidate.basis != "weights":
        return None, 0
    source = library.entry(candidate.name).place
    if source is None:
        return None, 0
    result = compare(source, place, options)
    return result.verdict.direction, result.run.bytes_read
