"""`compare`: from two references to a result.

The order of work: headers, one layout for both sides, anatomies, pairing by names and shapes, renames settled by
weights, a sample of every role, the verdict, and only then what is worth more reading: equality of every value, the
shape of the change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fingerprints.adapters import open_model
from fingerprints.alignment.alignment import differs_in_structure
from fingerprints.alignment.cost import NOTHING
from fingerprints.alignment.order_tests import order_tests
from fingerprints.assignment import assign
from fingerprints.change import describe_change
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import OverBudget, UnreadableTensor
from fingerprints.layouts import harmonised
from fingerprints.measurement import NOTHING_MEASURED, Measurement, MeasureSettings, measure
from fingerprints.pairing import Pairing, pair_parts
from fingerprints.samples import SampleSettings
from fingerprints.sampling import Half
from fingerprints.signals.tensor_digest import Equality, full_equality
from fingerprints.streaming import FullPass, PassSettings
from provenance.adaptation import Adaptation
from provenance.architecture import describe_architecture
from provenance.claims import read_claims
from provenance.device import resolve_device
from provenance.direction import find_direction
from provenance.encoding import encode_evidence, encode_layers, encode_not_measured
from provenance.every_value import pairs_left_out, read_every_value, tensor_entries
from provenance.hub import Hub
from provenance.hub.fetched import Fetched
from provenance.hub.thrift import THRIFTY, Sampling, affordable
from provenance.judgement import Judgement, disagreement, judge, same_digests
from provenance.kinds import find_kinds
from provenance.layouts import with_layouts, with_stored_count
from provenance.looks import Look, bases_searchable, plain_look, searched_look
from provenance.observation import Observation, Side
from provenance.options import Options, Progress, Silent
from provenance.recording import record
from provenance.result import NotMeasured, Relation, Result, Run, Verdict
from provenance.searches import Outcome, Search, Way, budget_of, plan_searches
from provenance.side import digest_of, look_at, summarise_side, with_findings
from provenance.strength import open_share
from provenance.summary import summarise
from provenance.thresholds import thresholds
from provenance.version import DISTRIBUTION, installed

CHANGED_MATRICES = 32
MOST_CHANGED = 96
DEFAULT_ROWS = 256
TINY_ROWS = 512
SECOND_ROWS = 64
_STAGES = {
    Way.STRUCTURE: "looking for what layers and units stand for one another",
    Way.MAPS: "looking for permuted layers and units",
    Way.BASES: "looking for a rotated residual stream",
}
RELATED = (Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN)


def compare(a: str | Path, b: str | Path, options: Options | None = None, progress: Progress | None = None) -> Result:
    """Compare two checkpoints.

    Parameters
    ----------
    a, b : str or Path
        A file or folder each, or as text a model on the Hub; see `HubReference.parse`.
    options : Options, optional
        What to do differently.
    progress : Progress, optional
        Told how far it is.

    Returns
    -------
    Result

    Raises
    ------
    CheckpointError
        When a side cannot be used.
    UsageError
        When the options make no sense for these checkpoints.
    """
    options, progress = options or Options(), progress or Silent()
    with (
        Hub(budget=options.budget, allow_download=options.allow_download) as hub,
        open_model(hub.locate(a), variant=options.variant.a) as left,
        open_model(hub.locate(b), variant=options.variant.b) as right,
    ):
        return _Comparison(left, right, options, progress).run()


class _Comparison:
    """The steps of one comparison and what they share."""

    def __init__(self, a: Checkpoint, b: Checkpoint, options: Options, progress: Progress) -> None:
        self.started = time.monotonic()
        self.stored = a, b
        self.adapted = Adaptation(a, b)
        self.a, self.b, self.layouts = harmonised(self.adapted.a, self.adapted.b, seed=options.sample_seed)
        self.options = options
        self.progress = progress
        self.device = resolve_device(options.device)
        larger = max(a.bytes_total, b.bytes_total)
        self.fetched = Fetched.of(self.stored)
        self.cheap = larger <= thresholds().small_checkpoint_bytes and self.fetched.affordable(self.stored)
        self.small = self.cheap or options.full
        self.full: FullPass | None = None
        self.left_out: list[NotMeasured] = []
        tiny = larger <= thresholds().tiny_checkpoint_bytes
        self.sampling = self._sampling(TINY_ROWS if tiny else DEFAULT_ROWS)
        self.threads = options.threads or usable_cores()

    def run(self) -> Result:
        """All steps in order."""
        if not self.options.full and self.fetched.same_files(self.stored):
            return self._of_same_files()
        if self.small:
            self.progress.stage("fetching")
            self.fetched.fetch_all(self.stored)
        self.progress.stage("reading headers")
        side_a = look_at(self.a, subtree=self.options.subtree.a)
        side_b = look_at(self.b, subtree=self.options.subtree.b)
        paired, undecided = self._pair(side_a, side_b)
        self.adapted.find_fit(paired, self.a, self.b)
        pairing = self.adapted.measurable(paired)
        look = plain_look(
            self.a,
            self.b,
            (side_a.anatomy, side_b.anatomy),
            pairing,
            seed=self.options.sample_seed,
            tokens=not self._late() and self._grants("vocabulary", "matching tokens by content"),
        )
        if look.vocabulary is not None:
            side_a, side_b = map(with_findings, (side_a, side_b), look.vocabulary.findings)
        observed, judgement, best = self._examined(look, side_a, side_b)
        observed = replace(observed, undecided_renames=undecided)
        if self.options.full:
            observed = self._with_every_value(observed, best)
            judgement = judge(observed)
        if judgement.ruling.relation is Relation.INDEPENDENT and not self.small and not self._late():
            with self._within_budget("sample", "a second sample at other positions"):
                judgement = self._look_again(look, observed, judgement)
        return self._result(observed, self.adapted.judged(judgement, observed), paired)

    def _of_same_files(self) -> Result:
        """Nothing is read: the weights of both sides are the same files."""
        self.cheap = False
        a = look_at(self.a, subtree=self.options.subtree.a, values=False)
        b = look_at(self.b, subtree=self.options.subtree.b, values=False)
        observed = Observation(
            a=a,
            b=b,
            pairing=pair_parts(a.anatomy, b.anatomy),
            measurement=NOTHING_MEASURED,
            equalities={},
            alpha=self.options.alpha,
            sample=SampleSettings(rows=self.sampling.rows, seed=self.options.sample_seed),
        )
        return self._result(observed, same_digests(observed), observed.pairing)

    def _sampling(self, rows: int) -> Sampling:
        """What is looked at: as asked, or what the budget allows each side that is fetched."""
        wanted = Sampling(rows=self.options.rows or rows, layers=self.options.layers)
        share = self.fetched.share
        if share is None or self.small or self.options.rows is not None:
            return wanted
        return min(
            (affordable(wanted, self.stored[place].tensors, share) for place in self.fetched.remote),
            key=lambda sampling: (sampling.rows, sampling.layers),
        )

    def _examined(self, plain: Look, a: Side, b: Side) -> tuple[Observation, Judgement, Look]:
        """Through maps where the structures differ, as names pair them, and, where that leaves much open, further."""
        tried: list[tuple[Observation, Judgement, Look]] = []
        searches = self._planned(plain) if a.inventory.parameters and b.inventory.parameters else {}
        for look in self._looks(plain, searches):
            observed = self._observed(look, a, b, earlier=sum(each.hypotheses for each, _, _ in tried))
            tried.append((observed, judge(observed), look))
            if self._is_settled(*tried[-1][:2]) or self._late():
                break
        related = [item for item in tried if item[1].ruling.relation in RELATED]
        if related:
            best = min(related, key=lambda item: (open_share(item[0]), item[0].alignment is not None))
            return replace(best[0], searches=tuple(searches.values())), *best[1:]
        first, _, look = next((item for item in tried if item[0].alignment is None), tried[0])
        others = sum(each.hypotheses for each, _, _ in tried if each is not first)
        observed = replace(
            first,
            earlier_hypotheses=others,
            searches=tuple(searches.values()),
            searchable=bool(searches) and bases_searchable(plain),
        )
        return observed, judge(observed), look

    def _planned(self, plain: Look) -> dict[Way, Search]:
        """The searches that may be made, and what they cost."""
        layers = None if self.cheap else self.sampling.layers
        unlimited = self.cheap or self.options.thorough
        budget = budget_of(self.a.bytes_total + self.b.bytes_total, unlimited=unlimited)
        planned = plan_searches(plain.anatomies, plain.pairing, budget, layers)
        if differs_in_structure(*plain.anatomies, plain.pairing):
            planned = (Search(way=Way.STRUCTURE, layers=layers, cost=NOTHING), *planned)
        return {search.way: search for search in planned}

    def _looks(self, plain: Look, searches: dict[Way, Search]) -> Iterator[Look]:
        """A change of structure first, then what names say, then searches; notes what became of each search."""
        for way in (Way.STRUCTURE, Way.NAMES, Way.MAPS, Way.BASES):
            if way is Way.NAMES:
                yield plain
            elif way in searches and searches[way].outcome is not Outcome.TOO_DEAR:
                if self._thrifty and way is not Way.STRUCTURE:
                    searches[way] = searches[way].ended(Outcome.TOO_DEAR)
                    continue
                if self._late():
                    searches[way] = searches[way].ended(Outcome.OUT_OF_TIME)
                    continue
                self.progress.stage(_STAGES[way])
                searches[way] = searches[way].ended(Outcome.MADE)
                try:
                    found = searched_look(plain, searches[way], seed=self.options.sample_seed)
                except OverBudget:
                    found, searches[way] = None, searches[way].ended(Outcome.TOO_DEAR)
                if found is not None:
                    yield found

    def _is_settled(self, observed: Observation, judgement: Judgement) -> bool:
        related = judgement.ruling.relation in RELATED
        return related and open_share(observed) < thresholds().open_share

    def _observed(self, look: Look, a: Side, b: Side, *, earlier: int = 0) -> Observation:
        """Measure a pair in one way of looking at it."""
        searched = look.searched or any(note.searched for note in self.layouts)
        sample = SampleSettings(
            rows=self.sampling.rows, seed=self.options.sample_seed, half=Half.TEST if searched else Half.ALL
        )
        if not (a.inventory.parameters and b.inventory.parameters):
            look = replace(look, pairing=replace(look.pairing, pairs=()))
        measurement = self._measure(look, sample, None if self.small else self.sampling.layers)
        if look.alignment is not None:
            tests, untested = order_tests(look.alignment)
            measurement = replace(
                measurement,
                tests=(*measurement.tests, *tests),
                untested=(*measurement.untested, *untested),
                skipped=(*measurement.skipped, *look.alignment.left_out),
            )
        observed = Observation(
            a=a,
            b=b,
            pairing=look.pairing,
            measurement=measurement,
            equalities=self._equalities(look, measurement),
            alpha=self.options.alpha,
            sample=sample,
            earlier_hypotheses=earlier,
            vocabulary=look.vocabulary,
            alignment=look.alignment,
            undone=look.undone,
            adopted=look.adopted,
        )
        return self._with_changes(observed, look)

    def _late(self) -> bool:
        limit = self.options.time_limit
        return self.fetched.nearly_spent or (limit is not None and time.monotonic() - self.started > limit)

    def _pair(self, a: Side, b: Side) -> tuple[Pairing, int]:
        self.progress.stage("pairing tensors")
        pairing = pair_parts(a.anatomy, b.anatomy, renames=self.options.renames)
        if self._late():
            return pairing, 0
        assigned = assign(pairing, self.a, self.b, seed=self.options.sample_seed)
        return assigned.pairing, assigned.undecided

    @property
    def _thrifty(self) -> bool:
        """Whether the budget made the sample smaller than it would be."""
        return self.sampling in THRIFTY

    def _grants(self, signal: str, subject: str) -> bool:
        """Whether the budget leaves room for what is not always needed; noted where it does not."""
        if self._thrifty:
            self._leave_out(signal, subject)
        return not self._thrifty

    @contextmanager
    def _within_budget(self, signal: str, subject: str) -> Iterator[None]:
        """Go on without what the budget turned out not to hold."""
        try:
            yield
        except OverBudget:
            self._leave_out(signal, subject)

    def _leave_out(self, signal: str, subject: str) -> None:
        reason = "the budget for what is fetched does not hold it"
        self.left_out.append(NotMeasured(signal=signal, subject=subject, reason=reason))

    def _look_again(self, look: Look, observed: Observation, judgement: Judgement) -> Judgement:
        """A second, smaller sample elsewhere: the default positions are public, and could have been overwritten."""
        if not self._grants("sample", "a second sample at other positions"):
            return judgement
        sample = observed.sample
        second = replace(sample, seed=sample.seed + 1, rows=max(SECOND_ROWS, sample.rows // 4))
        layers = max(1, self.sampling.layers // 4)
        found = self._measure(look, second, layers)
        again = replace(
            observed,
            measurement=found,
            equalities={item.pair.a.name: item.equality for item in found.tensors},
            earlier_hypotheses=observed.hypotheses,
        )
        return disagreement(judgement, again)

    def _measure(self, look: Look, sample: SampleSettings, layers: int | None) -> Measurement:
        limit = self.options.time_limit
        settings = MeasureSettings(
            sample=sample,
            layers=layers,
            vectors=self.sampling.vectors,
            device=self.device,
            threads=self.threads,
            deadline=None if limit is None else self.started + limit,
        )
        self.progress.stage("comparing weights", len(look.pairing.pairs))
        return measure(look.pairing, look.anatomies, (look.a, look.b), settings, self.progress.advance)

    def _equalities(self, look: Look, measurement: Measurement) -> dict[str, Equality]:
        """Equality of every looked-at pair; of all values where that is cheap, asked for, or decides `identical`.

        No value is equal once it was turned into another basis.
        """
        found = {item.pair.a.name: item.equality for item in measurement.tensors}
        learned = [item for item in measurement.tensors if item.not_learned is None]
        all_equal = bool(learned) and all(item.equality.identical for item in learned)
        larger = max(self.a.bytes_total, self.b.bytes_total)
        readable = larger <= thresholds().read_whole_below_bytes and self.fetched.affordable(self.stored)
        turned = look.undone is not None and any(basis.columns is None for basis in look.undone.bases.values())
        if self.options.full or turned or not (self.small or (all_equal and readable)):
            return found
        self.progress.stage("comparing every value", len(look.pairing.pairs))
        for pair in look.pairing.pairs:
            self.progress.advance()
            known = found.get(pair.a.name)
            if self._late() or (known is not None and (known.complete or not known.identical)):
                continue
            try:
                found[pair.a.name] = full_equality(pair, look.a, look.b)
            except UnreadableTensor:
                continue
        return found

    def _with_every_value(self, observed: Observation, look: Look) -> Observation:
        """Read everything once, as the look that decided has it, and put equality of all values for that of samples."""
        limit = self.options.time_limit
        settings = PassSettings(
            device=self.device,
            threads=self.threads,
            deadline=None if limit is None else self.started + limit,
            spectrum=self.options.spectrum,
            seed=self.options.sample_seed,
        )
        self.full = read_every_value(observed.pairing, look.a, look.b, settings, self.progress)
        equalities = {each.pair.a.name: each.equality for each in self.full.statistics}
        known = replace(observed, equalities={**observed.equalities, **equalities})
        return known if known.equal_tensors == observed.equal_tensors else self._with_changes(known, look)

    def _with_changes(self, observed: Observation, look: Look) -> Observation:
        """Add what the changes look like: of most matrices of small checkpoints, else of an even spread."""
        changed = [
            observed.pair_of[name]
            for name in sorted(observed.dependent_tensors - observed.equal_tensors - observed.turned_tensors)
            if len(observed.pair_of[name].a.shape) > 1
        ]
        step = -(-len(changed) // (MOST_CHANGED if self.small else CHANGED_MATRICES))
        found = []
        for pair in changed[:: max(step, 1)]:
            if self._late():
                break
            if (
                change := describe_change(pair, look.a, look.b, (self.a, self.b), seed=self.options.sample_seed)
            ) is not None:
                found.append(change)
        return replace(observed, changes=tuple(found))

    def _result(self, observed: Observation, judgement: Judgement, paired: Pairing) -> Result:
        sample = observed.sample
        ruling, strength = judgement.ruling, judgement.strength
        kinds = self.adapted.kinds(find_kinds(observed, judgement), ruling.relation)
        direction = find_direction(observed, judgement, kinds)
        self.progress.stage("digests")
        digests = [digest_of(side, whole=self.cheap and not self._late()) for side in self.stored]
        shown = self.adapted.shown(observed.a, observed.b)
        return Result(
            a=with_stored_count(summarise_side(shown[0], digests[0]), self.stored[0], self.options.subtree.a),
            b=with_stored_count(summarise_side(shown[1], digests[1]), self.stored[1], self.options.subtree.b),
            architecture=with_layouts(
                describe_architecture(replace(observed, pairing=observed.adopted or paired)), self.layouts
            ),
            verdict=Verdict(
                relation=ruling.relation,
                clause=ruling.clause,
                basis=ruling.basis,
                scope=ruling.scope,
                kinds=kinds,
                direction=direction,
                log10_p=strength.log10_p,
                effect=strength.effect,
                min_detectable_effect=strength.min_detectable,
                coverage=strength.covered.shares,
                alpha=observed.alpha,
                tests=observed.hypotheses,
                summary=summarise(observed, judgement, kinds, direction),
            ),
            claims=read_claims(observed.a, observed.b),
            evidence=encode_evidence(observed, sample),
            layers=encode_layers(observed),
            not_measured=(*encode_not_measured(observed), *pairs_left_out(self.full), *dict.fromkeys(self.left_out)),
            run=self._run(observed),
            tensors=tensor_entries(self.full),
        )

    def _run(self, observed: Observation) -> Run:
        options, sample = self.options, observed.sample
        return Run(
            bytes_read=self.a.bytes_read + self.b.bytes_read,
            bytes_total=self.a.bytes_total + self.b.bytes_total,
            seconds=time.monotonic() - self.started,
            version=installed(DISTRIBUTION),
            options={
                **record(
                    replace(options, layers=self.sampling.layers),
                    rows=sample.rows,
                    whole=self.small,
                    device=self.device,
                    threads=self.threads,
                ),
                "searched": [search.way.value for search in observed.searches if search.outcome is Outcome.MADE],
                "kernel": None if self.full is None else self.full.kernel,
                "half": sample.half.name.lower(),
            },
            requests=self.fetched.requests,
            bytes_fetched=self.fetched.bytes_fetched,
        )


def usable_cores() -> int:
    """Cores that this process may use, where the system tells; else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
