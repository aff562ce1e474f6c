"""`decompose`: from a model and its supposed parents to a decomposition.

The order of work: one layout for all, counterparts, values at equal places, equality, slices of layers, combinations
that keep every element, and, where these leave more than rounding, merges that drop elements.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from threadpoolctl import threadpool_limits

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError, UsageError
from fingerprints.fingerprint import FingerprintCheckpoint, open_model
from fingerprints.readers.quoting import quoted
from fingerprints.sampling import spread
from provenance.decomposition.analysis import Analysis
from provenance.decomposition.common_types import with_common_types
from provenance.decomposition.conclusion import Conclusion
from provenance.decomposition.encoding import result_of
from provenance.decomposition.lineup import Lineup, Standing, layer_of, line_up
from provenance.decomposition.options import DecomposeOptions
from provenance.decomposition.passthrough import find_stack
from provenance.decomposition.result import Decomposition
from provenance.decomposition.samples import Sample, SampleSettings, read_sample, shares
from provenance.hub import Hub
from provenance.hub.fetched import Fetched
from provenance.options import Progress, Silent
from provenance.result import Run
from provenance.side import digest_of, summarise_side
from provenance.thresholds import thresholds
from provenance.version import DISTRIBUTION, installed

FEWEST_PARENTS, MOST_PARENTS = 2, 8
DEFAULT_ROWS = 64


def decompose(
    model: str | Path,
    parents: Sequence[str | Path],
    base: str | Path | None = None,
    options: DecomposeOptions | None = None,
    progress: Progress | None = None,
) -> Decomposition:
    """Find the merge of some parents that a model is.

    Parameters
    ----------
    model : str or Path
        A file or folder.
    parents : sequence of str or Path
        Two to eight.
    base : str or Path, optional
        What the parents were trained from; task arithmetic, TIES and DARE need it.
    options : DecomposeOptions, optional
    progress : Progress, optional

    Raises
    ------
    CheckpointError
        When a checkpoint cannot be used.
    UsageError
        When there are too few or too many parents, or none fits the model.
    """
    if not FEWEST_PARENTS <= len(parents) <= MOST_PARENTS:
        raise UsageError(
            f"{len(parents)} parents were given, and a merge has {FEWEST_PARENTS} to {MOST_PARENTS}",
            hint="to ask about one parent, use: provenance compare PARENT M",
        )
    options = options or DecomposeOptions()
    with (
        Hub(budget=options.budget, allow_download=options.allow_download) as hub,
        ExitStack() as stack,
        threadpool_limits(limits=1),
    ):
        places = [hub.locate(each) for each in (model, *parents, *([base] if base else []))]
        opened = [stack.enter_context(open_model(place)) for place in places]
        for each in opened:
            if isinstance(each, FingerprintCheckpoint):
                raise UsageError(
                    f"{quoted(each.origin.reference)} is a fingerprint, and a merge is taken apart value by value",
                    hint="give the checkpoints themselves",
                )
        names = [str(each) for each in parents]
        work = _Work(opened[0], opened[1:], names, None if base is None else str(base), options, progress)
        return work.run()


class _Work:
    """The steps of one decomposition and what they share."""

    def __init__(
        self,
        model: Checkpoint,
        others: Sequence[Checkpoint],
        names: Sequence[str],
        base: str | None,
        options: DecomposeOptions | None,
        progress: Progress | None,
    ) -> None:
        self.started = time.monotonic()
        self.stored = [model, *others]
        self.names, self.base = names, base
        self.options, self.progress = options or DecomposeOptions(), progress or Silent()
        largest = max(each.bytes_total for each in self.stored)
        self.fetched = Fetched.of(self.stored)
        cheap = largest <= thresholds().small_checkpoint_bytes and self.fetched.affordable(self.stored)
        self.small = cheap or self.options.full
        everything = self.small and self.options.rows is None
        self.rows = None if everything or self.options.full else (self.options.rows or DEFAULT_ROWS)

    def run(self) -> Decomposition:
        """All steps in order."""
        if self.small:
            self.progress.stage("fetching")
            self.fetched.fetch_all(self.stored)
        self.progress.stage("reading headers")
        labels = [*self.names, *([self.base] if self.base else [])]
        lineup = line_up(self.stored[0], self.stored[1:], labels, seed=self.options.sample_seed)
        if self.base is not None and not lineup.fitting[-1]:
            raise UsageError(
                f"the base {self.base} has no counterparts for half of the model's learned parameters",
                hint="leave --base out, or give the model that the parents were trained from",
            )
        samples = self._read(lineup)
        self.progress.stage("fitting")
        fitting = [place for place in range(len(self.names)) if lineup.fitting[place]]
        analysis = Analysis(lineup, samples, based=self.base is not None)
        stack = None
        if not analysis.equal_to and (analysis.scattered or lineup.covered < 1 or not analysis.merged):
            stack = find_stack(
                (lineup.side.anatomy, lineup.model),
                lineup.side.inventory.learned,
                [(lineup.sides[place].anatomy, lineup.others[place]) for place in fitting],
                [_templates(lineup, place) for place in range(len(fitting))],
                whole=self.small,
            )
        self.progress.stage("digests")
        summaries = [
            summarise_side(side, digest_of(stored, whole=self.small))
            for side, stored in zip((lineup.side, *lineup.sides), self.stored, strict=True)
        ]
        found = Conclusion(
            analysis=analysis,
            stack=stack,
            names=self.names,
            base=self.base,
            fitting=fitting,
            complete=self.rows is None and len(samples) == len(lineup.standings),
        )
        return result_of(found, summaries[0], summaries[-1] if self.base is not None else None, self._run())

    def _read(self, lineup: Lineup) -> list[Sample]:
        settings = SampleSettings(rows=self.rows, seed=self.options.sample_seed)
        standings = self._selected(lineup.standings)
        checkpoints = [each for each, fits in zip(lineup.others, lineup.fitting, strict=True) if fits]
        self.progress.stage("reading weights", len(standings))
        found = []
        for standing, keep in zip(standings, shares(standings, settings), strict=True):
            try:
                sample = read_sample(
                    standing, lineup.model, checkpoints, based=self.base is not None, settings=settings, keep=keep
                )
            except CheckpointError:
                continue
            finally:
                self.progress.advance()
            if sample is not None:
                found.append(sample)
        if not found:
            raise UsageError(
                "no tensor of the model can be compared with all of the parents",
                hint="inspect shows names, shapes and what cannot be read",
            )
        return with_common_types(found)

    def _selected(self, standings: Sequence[Standing]) -> list[Standing]:
        """Those of the sampled layers, and all outside of layers."""
        limit = self.options.layers
        layers = sorted({layer for each in standings if (layer := layer_of(each.part)) is not None})
        if limit is None or self.options.full or len(layers) <= limit:
            return list(standings)
        chosen = {layers[place] for place in spread(len(layers), limit)}
        return [each for each in standings if each.layer is None or each.layer in chosen]

    def _run(self) -> Run:
        options = self.options
        return Run(
            bytes_read=sum(each.bytes_read for each in self.stored),
            bytes_total=sum(each.bytes_total for each in self.stored),
            seconds=time.monotonic() - self.started,
            version=installed(DISTRIBUTION),
            options={
                "rows": "all" if self.rows is None else self.rows,
                "layers": "all" if options.layers is None or options.full else options.layers,
                "full": options.full,
                "sample_seed": options.sample_seed,
            },
            requests=self.fetched.requests,
            bytes_fetched=self.fetched.bytes_fetched,
        )


def _templates(lineup: Lineup, place: int) -> dict[str, str]:
    """What a parent calls the model's templates."""
    return {each.part.template: each.others[place].template for each in lineup.standings}
