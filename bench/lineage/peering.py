"""The same pairs before other tools: a sample of the benchmark, spread over its transforms."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from statistics import median

from rich.console import Console
from rich.progress import track

from bench.lineage.score import OPEN, RELATED, Scored
from bench.lineage.tables import NOTHING
from bench.outcome import Grid, Outcome
from bench.peers import PEERS
from bench.peers.peer import Answer, Peer
from bench.peers.sample import stratified
from bench.zoo import cache
from bench.zoo.derive import digests, folder

COUNT = 40
"""Pairs in the sample; half of them strangers."""
OURS = "provenance"
SAID = ("related", "unrelated", "abstained", "failed", "not run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One pair and what every tool said of it, by name."""

    pair: Scored
    answers: dict[str, Answer]


def sample(scored: Sequence[Scored], count: int = COUNT) -> list[Scored]:
    """Strangers and others half and half, as many transforms and families as there is room for."""

    def drawn(kept: Callable[[Scored], bool], stratum: Callable[[Scored], str]) -> list[Scored]:
        chosen = [one for one in scored if kept(one)]
        # By a hash, since there are more strata than room: their names' order must not choose among them.
        return stratified(
            chosen, lambda one: cache.key(stratum(one)), count // 2, "peers", name=lambda one: one.pair.name
        )

    relatives = drawn(lambda one: one.pair.group != "strangers", lambda one: one.pair.transform)
    strangers = drawn(lambda one: one.pair.group == "strangers", lambda one: f"{one.pair.family} {one.pair.transform}")
    return [*relatives, *strangers]


def ask(scored: Sequence[Scored], peers: Sequence[Peer] = PEERS, workers: int = 2) -> list[Asked]:
    """What every peer says of each pair; answers are kept in the cache."""
    for peer in peers:
        peer.environment()
    jobs = [(one, peer) for one in scored for peer in peers]
    with ThreadPoolExecutor(workers) as pool:
        answers = pool.map(lambda job: _answer(*job), jobs)
        found = list(track(answers, "asking peers", len(jobs), console=Console(file=sys.stderr)))
    said = {(one.pair.name, peer.name): answer for (one, peer), answer in zip(jobs, found, strict=True)}
    return [Asked(pair=one, answers={peer.name: said[one.pair.name, peer.name] for peer in peers}) for one in scored]


def run(scored: Sequence[Scored], workers: int = 2) -> Outcome:
    """The sample before every peer."""
    asked = ask(sample(scored), workers=workers)
    missing = {peer.name: peer.environment().missing for peer in PEERS}
    return Outcome(
        part="peers",
        checks=(),
        grids=[summary(asked), pairs(asked)],
        notes=[f"{name} was not run: {reason}" for name, reason in missing.items() if reason],
        data={
            "answers": [{"pair": one.pair.pair.name, **{n: asdict(a) for n, a in one.answers.items()}} for one in asked]
        },
    )


def summary(asked: Sequence[Asked]) -> Grid:
    """Per tool: what it said of relatives and of strangers, how well its score ranks them, and its time."""
    rows = []
    for name in (OURS, *(peer.name for peer in PEERS)):
        for truth in ("related", "unrelated"):
            each = [_said(one, name) for one in asked if _truth(one) == truth]
            counts = Counter(answer.said for answer in each)
            seconds = [answer.seconds for answer in each if answer.said != "not run"]
            rows.append(
                (
                    name,
                    truth,
                    f"{len(each)}",
                    *(f"{counts[said]}" for said in SAID),
                    _auc([(_truth(one) == "related", _said(one, name).score) for one in asked]),
                    f"{median(seconds):.1f}" if seconds else NOTHING,
                )
            )
    return Grid(
        title="Other tools on the same pairs",
        columns=("tool", "true", "pairs", *(f"said {said}" for said in SAID), "AUC of its score", "seconds"),
        rows=rows,
    )


def pairs(asked: Sequence[Asked]) -> Grid:
    """Per pair: what every tool said, with its score."""
    rows = [
        (
            one.pair.pair.transform,
            one.pair.pair.name,
            one.pair.pair.relation,
            one.pair.trial.relation,
            *(_short(one.answers[peer.name]) for peer in PEERS),
        )
        for one in asked
    ]
    columns = ("transform", "pair", "true", OURS, *(peer.name for peer in PEERS))
    return Grid(title="Other tools, pair by pair", columns=columns, rows=rows)


def _answer(one: Scored, peer: Peer) -> Answer:
    a, b = (folder(name) for name in (one.pair.a, one.pair.b))
    stamp = [one.pair.name, peer.name, peer.version, digests(a), digests(b)]
    path = cache.root() / "zoo" / "peers" / f"{cache.key(stamp)}.json"
    if path.exists():
        return Answer(**json.loads(path.read_text()))
    answer = peer.compare(a, b)
    if answer.said != "not run":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(answer), indent=1) + "\n")
    return answer


def _said(one: Asked, name: str) -> Answer:
    if name != OURS:
        return one.answers[name]
    relation = one.pair.trial.relation
    said = "related" if relation in RELATED else "abstained" if relation in OPEN else "unrelated"
    p = one.pair.trial.log10_p
    return Answer(said=said, score=None if p is None else -p, seconds=one.pair.trial.seconds)


def _truth(one: Asked) -> str:
    return "related" if one.pair.pair.relation in RELATED else "unrelated"


def _short(answer: Answer) -> str:
    return answer.said if answer.score is None else f"{answer.said} ({answer.score:.2f})"


def _auc(scores: Sequence[tuple[bool, float | None]]) -> str:
    """Share of (related, unrelated) pairs that the score ranks the right way; pairs without a score are left out."""
    related, unrelated = (
        [score for truth, score in scores if truth is which and score is not None] for which in (True, False)
    )
    if not related or not unrelated:
        return NOTHING
    wins = sum((a > b) + (a == b) / 2 for a, b in product(related, unrelated))
    return f"{wins / len(related) / len(unrelated):.2f} ({len(related)} x {len(unrelated)})"
