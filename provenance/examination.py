"""The examination of a pair: looks at it from the plainest to the most searching, each measured and judged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fingerprints.alignment.alignment import differs_in_structure
from fingerprints.alignment.cost import NOTHING
from fingerprints.alignment.embeddings import embedding_rows
from fingerprints.alignment.moved_dimensions import moved_dimensions
from fingerprints.alignment.order_tests import order_tests
from fingerprints.alignment.table_basis import table_agreement
from fingerprints.change import describe_change
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import OverBudget, UnreadableTensor
from fingerprints.measurement import Measurement, MeasureSettings, measure
from fingerprints.samples import SampleSettings
from fingerprints.sampling import Half
from fingerprints.signals.tensor_digest import Equality, full_equality
from fingerprints.streaming import FullPass, PassSettings
from provenance.allowance import Allowance
from provenance.every_value import read_every_value
from provenance.judgement import Judgement, disagreement, judge
from provenance.looks import Look, bases_searchable, searched_look
from provenance.observation import Observation, Side
from provenance.options import Options, Progress
from provenance.result import Relation
from provenance.searches import Outcome, Search, Way, budget_of, plan_searches
from provenance.strength import open_share
from provenance.thresholds import thresholds

CHANGED_MATRICES = 32
MOST_CHANGED = 96
SECOND_ROWS = 64
RELATED = (Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN)
_STAGES = {
    Way.STRUCTURE: "looking for what layers and units stand for one another",
    Way.MAPS: "looking for permuted layers and units",
    Way.BASES: "looking for a rotated residual stream",
    Way.CHANNELS: "looking for permuted channels",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """What one look showed, and what is concluded from it."""

    look: Look
    observed: Observation
    judgement: Judgement


class Examination:
    """Looks at one pair as long as it is worth it.

    Parameters
    ----------
    a, b : Checkpoint
        Both sides in one layout.
    searched : bool
        Whether weights chose that layout.
    options : Options
    allowance : Allowance
    progress : Progress
    """

    def __init__(
        self,
        a: Checkpoint,
        b: Checkpoint,
        *,
        searched: bool,
        options: Options,
        allowance: Allowance,
        progress: Progress,
    ) -> None:
        self._a, self._b = a, b
        self._searched = searched
        self._options, self._allowance, self._progress = options, allowance, progress
        self._bytes = max(a.bytes_total, b.bytes_total)

    def run(self, plain: Look, a: Side, b: Side) -> Finding:
        """Through maps where the structures differ, as names pair them, and, where that leaves much open, further."""
        tried: list[Finding] = []
        searches = self._planned(plain) if a.inventory.parameters and b.inventory.parameters else {}
        for look in self._looks(plain, searches):
            observed = self._observed(look, a, b, earlier=tried[-1].observed.hypotheses if tried else 0)
            tried.append(Finding(look=look, observed=observed, judgement=judge(observed)))
            if _is_settled(tried[-1]) or self._allowance.late:
                break
        related = [each for each in tried if each.judgement.ruling.relation in RELATED]
        best = (
            min(related, key=lambda each: (open_share(each.observed), each.observed.alignment is not None))
            if related
            else next((each for each in tried if each.observed.alignment is None), tried[0])
        )
        own = best.observed.hypotheses - best.observed.earlier_hypotheses
        observed = replace(
            best.observed,
            earlier_hypotheses=tried[-1].observed.hypotheses - own,
            earlier_log10_p=min(map(_exact_log10_p, related), default=None),
            searches=tuple(searches.values()),
            searchable=not related and bool(searches) and bases_searchable(plain),
            searched_agreement=max((share for each in tried for share in each.observed.agreements), default=0.0),
        )
        if not related and Way.BASES in searches and searches[Way.BASES].outcome is Outcome.MADE:
            observed = self._with_tables(observed, plain)
        return Finding(look=best.look, observed=observed, judgement=judge(observed))

    def again(self, found: Finding) -> Judgement:
        """A second, smaller sample elsewhere: the default positions are public, and could have been overwritten."""
        sample = found.observed.sample
        second = replace(sample, seed=sample.seed + 1, rows=max(SECOND_ROWS, sample.rows // 4))
        measurement = self._measure(found.look, second, max(1, self._allowance.sampling.layers // 4))
        observed = replace(
            found.observed,
            measurement=measurement,
            equalities={item.pair.a.name: item.equality for item in measurement.tensors},
            earlier_hypotheses=found.observed.hypotheses,
        )
        return disagreement(found.judgement, observed)

    def with_every_value(self, found: Finding) -> tuple[Finding, FullPass]:
        """Read everything once, as the look that decided has it, and put equality of all values for that of samples."""
        settings = PassSettings(
            device=self._allowance.device,
            threads=self._allowance.threads,
            deadline=self._allowance.deadline,
            spectrum=self._options.spectrum,
            seed=self._options.sample_seed,
        )
        look, observed = found.look, found.observed
        full = read_every_value(observed.pairing, look.a, look.b, settings, self._progress)
        equalities = {each.pair.a.name: each.equality for each in full.statistics}
        known = replace(observed, equalities={**observed.equalities, **equalities})
        if known.equal_tensors != observed.equal_tensors:
            known = self._with_changes(known, look)
        return Finding(look=look, observed=known, judgement=judge(known)), full

    def _planned(self, plain: Look) -> dict[Way, Search]:
        """The searches that may be made, and what they cost."""
        layers = None if self._allowance.cheap else self._allowance.sampling.layers
        unlimited = self._allowance.cheap or self._options.thorough
        budget = budget_of(self._a.bytes_total + self._b.bytes_total, unlimited=unlimited)
        planned = plan_searches(plain.anatomies, plain.pairing, budget, layers)
        if differs_in_structure(*plain.anatomies, plain.pairing):
            planned = (Search(way=Way.STRUCTURE, layers=layers, cost=NOTHING), *planned)
        return {search.way: search for search in planned}

    def _looks(self, plain: Look, searches: dict[Way, Search]) -> Iterator[Look]:
        """A change of structure first, then what names say, then searches; notes what became of each search."""
        for way in (Way.STRUCTURE, Way.NAMES, Way.MAPS, Way.BASES, Way.CHANNELS):
            if way is Way.NAMES:
                yield plain
            elif way in searches and searches[way].outcome is not Outcome.TOO_DEAR:
                if self._allowance.thrifty and way is not Way.STRUCTURE:
                    searches[way] = searches[way].ended(Outcome.TOO_DEAR)
                    continue
                if self._allowance.late:
                    searches[way] = searches[way].ended(Outcome.OUT_OF_TIME)
                    continue
                self._progress.stage(_STAGES[way])
                searches[way] = searches[way].ended(Outcome.MADE)
                try:
                    found = searched_look(plain, searches[way], seed=self._options.sample_seed)
                except OverBudget:
                    found, searches[way] = None, searches[way].ended(Outcome.TOO_DEAR)
                if found is not None:
                    yield found

    def _observed(self, look: Look, a: Side, b: Side, *, earlier: int = 0) -> Observation:
        """Measure a pair in one way of looking at it."""
        searched = look.searched or self._searched
        sample = SampleSettings(
            rows=self._allowance.sampling.rows, seed=self._options.sample_seed, half=Half.TEST if searched else Half.ALL
        )
        if not (a.inventory.parameters and b.inventory.parameters):
            look = replace(look, pairing=replace(look.pairing, pairs=()))
        measurement = self._measure(look, sample, None if self._allowance.whole else self._allowance.sampling.layers)
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
            alpha=self._options.alpha,
            sample=sample,
            earlier_hypotheses=earlier,
            vocabulary=look.vocabulary,
            alignment=look.alignment,
            undone=look.undone,
            adopted=look.adopted,
        )
        return self._with_changes(observed, look)

    def _with_tables(self, observed: Observation, plain: Look) -> Observation:
        """Add how far embeddings agree in another basis or order, where bases were sought in vain."""
        if self._allowance.late:
            return observed
        tables = embedding_rows(plain.pairing, plain.a, plain.b)
        return replace(observed, table_agreement=table_agreement(tables), moved_dimensions=moved_dimensions(tables))

    def _measure(self, look: Look, sample: SampleSettings, layers: int | None) -> Measurement:
        settings = MeasureSettings(
            sample=sample,
            layers=layers,
            vectors=self._allowance.sampling.vectors,
            device=self._allowance.device,
            threads=self._allowance.threads,
            deadline=self._allowance.deadline,
        )
        self._progress.stage("comparing weights", len(look.pairing.pairs))
        return measure(look.pairing, look.anatomies, (look.a, look.b), settings, self._progress.advance)

    def _equalities(self, look: Look, measurement: Measurement) -> dict[str, Equality]:
        """Equality of every looked-at pair; of all values where that is cheap, asked for, or decides `identical`.

        No value is equal once it was turned into another basis.
        """
        found = {item.pair.a.name: item.equality for item in measurement.tensors}
        learned = [item for item in measurement.tensors if item.not_learned is None]
        all_equal = bool(learned) and all(item.equality.identical for item in learned)
        readable = self._bytes <= thresholds().read_whole_below_bytes and self._allowance.affordable
        turned = look.undone is not None and any(basis.columns is None for basis in look.undone.bases.values())
        if self._options.full or turned or not (self._allowance.whole or (all_equal and readable)):
            return found
        self._progress.stage("comparing every value", len(look.pairing.pairs))
        for pair in look.pairing.pairs:
            self._progress.advance()
            known = found.get(pair.a.name)
            if self._allowance.late or (known is not None and (known.complete or not known.identical)):
                continue
            try:
                found[pair.a.name] = full_equality(pair, look.a, look.b)
            except UnreadableTensor:
                continue
        return found

    def _with_changes(self, observed: Observation, look: Look) -> Observation:
        """Add what the changes look like: of most matrices of small checkpoints, else of an even spread."""
        changed = [
            observed.pair_of[name]
            for name in sorted(observed.dependent_tensors - observed.equal_tensors - observed.turned_tensors)
            if len(observed.pair_of[name].a.shape) > 1
        ]
        step = -(-len(changed) // (MOST_CHANGED if self._allowance.whole else CHANGED_MATRICES))
        found = []
        for pair in changed[:: max(step, 1)]:
            if self._allowance.late:
                break
            if (
                change := describe_change(pair, look.a, look.b, (self._a, self._b), seed=self._options.sample_seed)
            ) is not None:
                found.append(change)
        return replace(observed, changes=tuple(found))


def _is_settled(found: Finding) -> bool:
    """Whether no further look can add anything."""
    related = found.judgement.ruling.relation in RELATED
    return related and open_share(found.observed) < thresholds().open_share


def _exact_log10_p(found: Finding) -> float:
    """The smallest p-value of a finding, not corrected; 0 where it rests on no exact test."""
    log10_p = found.judgement.strength.log10_p
    return 0.0 if log10_p is None else log10_p - math.log10(max(found.observed.hypotheses, 1))
