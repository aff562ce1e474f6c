"""All pairs of local models, with one error rate for all of them together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any, Final

from fingerprints.adapters import open_model
from fingerprints.errors import UsageError
from provenance.jobs.engine import Engine, Task
from provenance.jobs.failure import Failure
from provenance.jobs.local import Local
from provenance.lineage.graph import Graph, graph_to_json
from provenance.lineage.pair import Pair, examine_pair
from provenance.lineage.reconstruction import reconstruct
from provenance.options import Options, Progress, Silent
from provenance.result import Relation, rounded, to_json

MOST = 2000
"""Models of one matrix: two million pairs."""
MOST_DETAILED: Final = 200
"""Models up to which the changes of single tensors are kept for the lineage; of more, only distances."""
DETAILS: Final = frozenset({"changes", "alone", "rank", "transforms", "recomputed", "rounded"})
"""Of a pair, what only the lineage is made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Every pair of `models`, the lineage they make, and what could not be compared.

    `alpha` is the probability that any unrelated pair at all is called related; each pair was held to
    `alpha / len(pairs)`, and its `log10_p` is corrected for all of them.
    """

    models: tuple[str, ...]
    alpha: float
    pairs: tuple[Pair, ...]
    graph: Graph
    errors: tuple[Failure, ...]


def matrix(models: Sequence[str], options: Options, *, jobs: int = 1, progress: Progress | None = None) -> Matrix:
    """Compare all pairs of `models`.

    Parameters
    ----------
    models : sequence of str
        Paths.
    options : Options
        Of each comparison; `alpha` is that of the whole family.
    jobs : int
        Pairs under way at once.

    Raises
    ------
    UsageError
        When fewer than two models, or too many, are given or can be read.
    """
    progress = progress or Silent()
    if len(models) > MOST:
        raise UsageError(f"{len(models)} models are more than {MOST}", hint="compare parts of them")
    with Engine(Local(jobs)) as engine:
        progress.stage("reading headers", len(models))
        looked = _collected(engine, _look, {name: name for name in models}, progress)
        broken = [each for each in looked.values() if isinstance(each, Failure)]
        good = [name for name in models if not isinstance(looked[name], Failure)]
        if len(good) < 2:
            raise UsageError(
                f"{len(good)} of {len(models)} models can be read, and a matrix takes two or more",
                hint="; ".join(f"{each.target}: {each.message}" for each in broken[:3]) or "name more models",
            )
        both = {f"{a}\n{b}": (a, b) for a, b in combinations(good, 2)}
        progress.stage("comparing pairs", len(both))
        each = replace(options, alpha=options.alpha / len(both), threads=1)
        work = partial(_compare, options=each, detailed=len(good) <= MOST_DETAILED)
        found = _collected(engine, work, both, progress)
    pairs = [_corrected(pair, len(both)) for pair in found.values() if isinstance(pair, Pair)]
    failed = [replace(each, target=" and ".join(both[key])) for key, each in found.items() if isinstance(each, Failure)]
    return Matrix(
        models=tuple(good),
        alpha=options.alpha,
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.a, pair.b))),
        graph=reconstruct(good, pairs),
        errors=tuple(broken + failed),
    )


def matrix_to_json(found: Matrix) -> dict[str, Any]:
    """Plain data: the lineage graph, with all pairs beside it."""
    return {
        **graph_to_json(found.graph),
        "models": list(found.models),
        "alpha": found.alpha,
        "pairs": [
            {key: value for key, value in to_json(pair).items() if key not in DETAILS}
            for pair in (replace(pair, changes=()) for pair in found.pairs)
        ],
        "errors": to_json(found.errors),
    }


def related(found: Matrix) -> list[Pair]:
    """Pairs that are not independent, as far as is known."""
    return [pair for pair in found.pairs if pair.relation is not Relation.INDEPENDENT]


def _collected(engine: Engine, work: Callable[[Any], Any], items: dict[str, Any], progress: Progress) -> dict[str, Any]:
    outcomes: dict[str, Any] = {}
    for key, outcome in engine.run(Task(work=work), items.items()):
        outcomes[key] = outcome
        progress.advance()
    return {key: outcomes[key] for key in items}


def _look(model: str) -> int:
    with open_model(model) as checkpoint:
        return checkpoint.bytes_total


def _compare(models: tuple[str, str], *, options: Options, detailed: bool) -> Pair:
    pair = examine_pair(*models, options)
    return pair if detailed else replace(pair, changes=())


def _corrected(pair: Pair, hypotheses: int) -> Pair:
    p = pair.log10_p
    return pair if p is None else replace(pair, log10_p=rounded(min(0.0, p + math.log10(hypotheses))))
