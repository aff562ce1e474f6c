"""`compare`: from two references to a result.

The order of work: headers, one layout for both sides, anatomies, pairing by names and shapes, renames settled by
weights, a sample of every role, the verdict, and only then what is worth more reading: equality of every value, the
shape of the change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fingerprints.assignment import assign
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import UsageError
from fingerprints.fingerprint import FingerprintCheckpoint, open_model
from fingerprints.kernels.threads import matrix_threads
from fingerprints.layouts import harmonised
from fingerprints.measurement import NOTHING_MEASURED
from fingerprints.pairing import Pairing, pair_parts
from fingerprints.recorded_checkpoint import RecordedCheckpoint
from fingerprints.samples import SampleSettings
from fingerprints.streaming import FullPass
from provenance.adaptation import Adaptation
from provenance.allowance import Allowance
from provenance.architecture import describe_architecture
from provenance.claims import read_claims
from provenance.direction import find_direction
from provenance.encoding import encode_evidence, encode_layers, encode_not_measured, encode_verdict
from provenance.every_value import pairs_left_out, tensor_entries
from provenance.examination import Examination, Finding
from provenance.fingerprint_comparison import compare_fingerprints
from provenance.hub import Hub
from provenance.judgement import Judgement, same_digests
from provenance.kinds import find_kinds
from provenance.layouts import with_layouts, with_stored_count
from provenance.looks import Look, plain_look
from provenance.observation import Observation, Side
from provenance.options import Options, Progress, Silent
from provenance.recording import record
from provenance.result import Relation, Result, Run
from provenance.samples import Samples
from provenance.searches import Outcome
from provenance.side import digest_of, look_at, summarise_side, with_findings
from provenance.version import DISTRIBUTION, installed

LookOn = Callable[[Finding], None]


def compare(
    a: str | Path,
    b: str | Path,
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    look_on: LookOn | None = None,
) -> Result:
    """Compare two checkpoints.

    Parameters
    ----------
    a, b : str or Path
        A file or folder each, or as text a model on the Hub (`HubReference.parse`); a fingerprint stands for a
        checkpoint.
    options : Options, optional
        What to do differently.
    progress : Progress, optional
        Told how far it is.
    look_on : callable, optional
        Given what decided, while both sides are open; not called for fingerprints, and for the same files.

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
    with opened(a, b, options) as (left, right):
        if isinstance(left, FingerprintCheckpoint) or isinstance(right, FingerprintCheckpoint):
            return compare_fingerprints(left, right, options, progress)
        return _Comparison(left, right, options, progress).run(look_on)


def compare_recorded(a: str | Path, b: str | Path, options: Options, progress: Progress) -> tuple[Result, Samples]:
    """`compare`, and what was read of either side for it, with digests; what was read is read once more for these.

    Raises
    ------
    CheckpointError, UsageError
        As `compare`, and when a side is a fingerprint, which holds no rows of its model.
    """
    with opened(a, b, options) as (left, right):
        for side in (left, right):
            if isinstance(side, FingerprintCheckpoint):
                raise UsageError(
                    f"{side.origin.reference!a} is a fingerprint, which holds no rows to list as evidence",
                    hint="compare the checkpoints themselves, or leave out --evidence",
                )
        sides = RecordedCheckpoint(left), RecordedCheckpoint(right)
        result = _Comparison(*sides, options, progress).run()
        progress.stage("digests of what was read")
        return result, Samples(a=sides[0].readings(), b=sides[1].readings())


@contextmanager
def opened(a: str | Path, b: str | Path, options: Options) -> Iterator[tuple[Checkpoint, Checkpoint]]:
    """Both checkpoints, for as long as the block lasts."""
    with (
        Hub(budget=options.budget, allow_download=options.allow_download) as hub,
        open_model(hub.locate(a), variant=options.variant.a) as left,
        open_model(hub.locate(b), variant=options.variant.b) as right,
    ):
        yield left, right


class _Comparison:
    """The steps of one comparison and what they share."""

    def __init__(self, a: Checkpoint, b: Checkpoint, options: Options, progress: Progress) -> None:
        self.allowance = Allowance((a, b), options)
        self.stored = a, b
        self.adapted = Adaptation(a, b)
        self.a, self.b, self.layouts = harmonised(self.adapted.a, self.adapted.b, seed=options.sample_seed)
        self.options = options
        self.progress = progress
        self.full: FullPass | None = None

    def run(self, look_on: LookOn | None = None) -> Result:
        """All steps in order."""
        allowance = self.allowance
        if not self.options.full and allowance.fetched.same_files(self.stored):
            return self._of_same_files()
        if allowance.whole:
            self.progress.stage("fetching")
            allowance.fetched.fetch_all(self.stored)
        self.progress.stage("reading headers")
        side_a = look_at(self.a, subtree=self.options.subtree.a)
        side_b = look_at(self.b, subtree=self.options.subtree.b)
        towers = (*side_a.anatomy.towers.values(), *side_b.anatomy.towers.values())
        with matrix_threads(max((tower.residual for tower in towers), default=0)):
            return self._compared(side_a, side_b, look_on)

    def _compared(self, side_a: Side, side_b: Side, look_on: LookOn | None) -> Result:
        allowance = self.allowance
        paired, undecided = self._pair(side_a, side_b)
        self.adapted.find_fit(paired, self.a, self.b)
        plain = plain_look(
            self.a,
            self.b,
            (side_a.anatomy, side_b.anatomy),
            self.adapted.measurable(paired),
            seed=self.options.sample_seed,
            tokens=not allowance.late and allowance.grants("vocabulary", "matching tokens by content"),
        )
        if plain.vocabulary is not None:
            side_a, side_b = map(with_findings, (side_a, side_b), plain.vocabulary.findings)
        found, judgement = self._examine(plain, side_a, side_b)
        if look_on is not None:
            look_on(found)
        observed = replace(found.observed, undecided_renames=undecided)
        return self._result(observed, self.adapted.judged(judgement, observed), paired)

    def _examine(self, plain: Look, a: Side, b: Side) -> tuple[Finding, Judgement]:
        examination = Examination(
            self.a,
            self.b,
            searched=any(note.searched for note in self.layouts),
            options=self.options,
            allowance=self.allowance,
            progress=self.progress,
        )
        found = examination.run(plain, a, b)
        if self.options.full:
            found, self.full = examination.with_every_value(found)
        open_to_doubt = found.judgement.ruling.relation is Relation.INDEPENDENT and not self.allowance.whole
        if open_to_doubt and not self.allowance.late:
            second = "sample", "a second sample at other positions"
            with self.allowance.tolerant(*second):
                if self.allowance.grants(*second):
                    return found, examination.again(found)
        return found, found.judgement

    def _of_same_files(self) -> Result:
        """Nothing is read: the weights of both sides are the same files."""
        a = look_at(self.a, subtree=self.options.subtree.a, values=False)
        b = look_at(self.b, subtree=self.options.subtree.b, values=False)
        observed = Observation(
            a=a,
            b=b,
            pairing=pair_parts(a.anatomy, b.anatomy),
            measurement=NOTHING_MEASURED,
            equalities={},
            alpha=self.options.alpha,
            sample=SampleSettings(rows=self.allowance.sampling.rows, seed=self.options.sample_seed),
        )
        return self._result(observed, same_digests(observed), observed.pairing, read=False)

    def _pair(self, a: Side, b: Side) -> tuple[Pairing, int]:
        self.progress.stage("pairing tensors")
        pairing = pair_parts(a.anatomy, b.anatomy, renames=self.options.renames)
        if self.allowance.late:
            return pairing, 0
        assigned = assign(pairing, self.a, self.b, seed=self.options.sample_seed)
        return assigned.pairing, assigned.undecided

    def _result(self, observed: Observation, judgement: Judgement, paired: Pairing, *, read: bool = True) -> Result:
        sample = observed.sample
        kinds = self.adapted.kinds(find_kinds(observed, judgement), judgement.ruling.relation)
        direction = find_direction(observed, judgement, kinds)
        self.progress.stage("digests")
        whole = read and self.allowance.cheap and not self.allowance.late
        digests = [digest_of(side, whole=whole) for side in self.stored]
        shown = self.adapted.shown(observed.a, observed.b)
        return Result(
            a=with_stored_count(summarise_side(shown[0], digests[0]), self.stored[0], self.options.subtree.a),
            b=with_stored_count(summarise_side(shown[1], digests[1]), self.stored[1], self.options.subtree.b),
            architecture=with_layouts(
                describe_architecture(replace(observed, pairing=observed.adopted or paired)), self.layouts
            ),
            verdict=encode_verdict(observed, judgement, kinds, direction),
            claims=read_claims(observed.a, observed.b),
            evidence=encode_evidence(observed, sample),
            layers=encode_layers(observed),
            not_measured=(
                *encode_not_measured(observed),
                *pairs_left_out(self.full),
                *dict.fromkeys(self.allowance.left_out),
            ),
            run=self._run(observed),
            tensors=tensor_entries(self.full),
        )

    def _run(self, observed: Observation) -> Run:
        options, sample = self.options, observed.sample
        return Run(
            bytes_read=self.a.bytes_read + self.b.bytes_read,
            bytes_total=self.a.bytes_total + self.b.bytes_total,
            seconds=time.monotonic() - self.allowance.started,
            version=installed(DISTRIBUTION),
            options={
                **record(
                    replace(options, layers=self.allowance.sampling.layers),
                    rows=sample.rows,
                    whole=self.allowance.whole,
                    device=self.allowance.device,
                    threads=self.allowance.threads,
                ),
                "searched": [search.way.value for search in observed.searches if search.outcome is Outcome.MADE],
                "kernel": None if self.full is None else self.full.kernel,
                "half": sample.half.name.lower(),
            },
            requests=self.allowance.fetched.requests,
            bytes_fetched=self.allowance.fetched.bytes_fetched,
        )
