"""The search of a library: likely entries, their fingerprints tested, their weights compared where they are at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import AuditError
from fingerprints.fingerprint import Grade
from provenance.fingerprint_comparison import KINDS, RELATED, Printed, doubt, observe
from provenance.identification import geometry
from provenance.identification.at_hand import AtHand
from provenance.identification.layouts import layout_of
from provenance.identification.result import Candidate, Layout
from provenance.identification.shortlist import likely, same_shapes
from provenance.library import Entry, Library
from provenance.library.library import retrieval
from provenance.observation import Observation
from provenance.options import ALPHA, Options, Progress
from provenance.result import NotMeasured, Relation, Result

TOP = 10
MOST_NAMED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyOptions:
    """`top` candidates are listed; `weights` are read where the library knows where they lie; `alpha` is divided by the
    number of entries searched; `grade` says how much of a model is sampled, `architecture` whether the layouts of known
    models are looked through as well.
    """

    top: int = TOP
    weights: bool = True
    alpha: float = ALPHA
    variant: str | None = None
    threads: int | None = None
    grade: Grade = Grade.FULL
    architecture: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A related entry."""

    entry: Entry
    side: Printed
    observed: Observation
    candidate: Candidate
    path: geometry.Path


class Search:
    """One search of a library."""

    def __init__(
        self, checkpoint: Checkpoint, side: Printed, library: Library, options: IdentifyOptions, progress: Progress
    ) -> None:
        self.checkpoint, self.side = checkpoint, side
        self.library, self.options, self.progress = library, options, progress
        self.contents, self.table = library.table()
        self.query = retrieval(side)
        self.scores = self.table.scores(self.query)
        self.searched = len(self.contents)
        self.tested = 0
        self.not_measured: list[NotMeasured] = []
        self.same = [self.contents[place] for place in same_shapes(self.table, self.scores, self.query.shapes)]
        self.layouts = self._alike_layouts() if options.architecture else ()
        self._doubtful: dict[str, NotMeasured] = {}

    @property
    def alpha(self) -> float:
        """Level of the tests of one entry."""
        return self.options.alpha / max(self.searched, 1)

    def run(self) -> list[Found]:
        """Related entries, in no order."""
        places = likely(self.table, self.scores, self.query.shapes)
        entries = {entry.content: entry for entry in self.library.database.entries([self.contents[i] for i in places])}
        self.progress.stage("testing candidates", len(places))
        found: list[Found] = []
        for place in places:
            self.progress.advance()
            entry = entries.get(self.contents[place])
            if entry is not None and (related := self._tested(entry)) is not None:
                found.append(related)
        if self.options.weights:
            found = self._with_weights(found)
        if not found:
            self.not_measured += self._doubtful.values()
        return found

    def _tested(self, entry: Entry) -> Found | None:
        try:
            side = self.library.read(entry.content)
        except AuditError as error:
            self.not_measured.append(NotMeasured(signal="all", subject=entry.name, reason=error.message))
            return None
        self.tested += 1
        observed, judgement = observe(side, self.side, alpha=self.alpha)
        if judgement.ruling.relation not in RELATED:
            if judgement.ruling.relation is Relation.INCONCLUSIVE and entry.content in self.same:
                reason = doubt(observed.pairing, side, self.side) or judgement.ruling.reason
                self._doubtful[entry.content] = NotMeasured(signal="disguise", subject=entry.name, reason=reason)
            return None
        path = geometry.path_of(observed)
        candidate = replace(
            _candidate(entry, path, judgement.ruling.relation),
            kinds=tuple(kind for find in KINDS if (kind := find(observed, judgement)) is not None),
            log10_p=judgement.strength.log10_p,
            effect=judgement.strength.effect,
            clause=judgement.ruling.clause,
        )
        return Found(entry=entry, side=side, observed=observed, candidate=candidate, path=path)

    def _with_weights(self, found: list[Found]) -> list[Found]:
        """Confirm candidates by their weights where these are at hand; without any, look for disguised copies."""
        hand = AtHand(
            self.checkpoint,
            self.side,
            self.library,
            Options(alpha=self.alpha, threads=self.options.threads),
            self.progress,
        )
        ranked = sorted(found, key=lambda each: (each.path.distance is None, each.path.distance or 0.0))
        confirmed = []
        for each in ranked[: self.options.top]:
            result = hand.compared(each.entry)
            if result is None:
                confirmed.append(each)
            elif result.verdict.relation in RELATED:
                confirmed.append(replace(each, candidate=_by_weights(each.candidate, result)))
        confirmed += ranked[self.options.top :]
        if not confirmed:
            confirmed = [self._disguised(*each) for each in hand.disguised(self.same)]
            self._doubtful = {key: each for key, each in self._doubtful.items() if key not in hand.known}
        self.not_measured += hand.not_measured
        return confirmed

    def _disguised(self, entry: Entry, result: Result) -> Found:
        """A relative that only its weights show; how far it is, they do not tell."""
        side = self.library.read(entry.content)
        observed, _ = observe(side, self.side, alpha=self.alpha)
        path = geometry.Path(changes={}, equal=0)
        candidate = _by_weights(_candidate(entry, path, result.verdict.relation), result)
        return Found(entry=entry, side=side, observed=observed, candidate=candidate, path=path)

    def _alike_layouts(self) -> tuple[Layout, ...]:
        """Entries of the library with the very same shapes, those with the same names first."""
        same = [place for place, shapes in enumerate(self.table.shapes) if shapes == self.query.shapes]
        if not same:
            return ()
        named = [place for place in same if self.table.layouts[place] == self.query.layout]
        entries = self.library.database.entries([self.contents[place] for place in (named or same)[:MOST_NAMED]])
        first, others = entries[0], tuple(entry.name for entry in entries[1:])
        if named:
            layout = Layout(
                name=first.name,
                family=first.family,
                relation="identical",
                renamed=(),
                sizes=(),
                source="library",
                others=others,
            )
            return (layout,)
        try:
            known = self.library.read(first.content).side.anatomy
        except AuditError as error:
            self.not_measured.append(NotMeasured(signal="architecture", subject=first.name, reason=error.message))
            return ()
        layout_ = layout_of(self.side, known, first.name, first.family, "library", others)
        return () if layout_ is None else (layout_,)


def _candidate(entry: Entry, path: geometry.Path, relation: Relation) -> Candidate:
    """What a library knows of an entry, and how far it is; the rest is not known yet."""
    return Candidate(
        name=entry.name,
        names=entry.names,
        family=entry.family,
        licence=entry.licence,
        parents=entry.parents,
        relation=relation,
        kinds=(),
        log10_p=None,
        effect=None,
        distance=path.distance,
        equal=path.equal,
        through=None,
        basis="fingerprints",
        clause="",
    )


def _by_weights(candidate: Candidate, result: Result) -> Candidate:
    verdict = result.verdict
    return replace(
        candidate,
        relation=verdict.relation,
        kinds=verdict.kinds,
        log10_p=verdict.log10_p,
        effect=verdict.effect,
        distance=0.0 if verdict.relation is Relation.IDENTICAL else candidate.distance,
        basis="weights",
        clause=verdict.clause,
    )
