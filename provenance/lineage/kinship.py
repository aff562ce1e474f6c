"""The lineage of everything in a library: its fingerprints tell who is related, weights at hand which way it went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from provenance.fingerprint_comparison import KINDS, Printed, observe
from provenance.identification import geometry
from provenance.identification.shortlist import likely
from provenance.jobs.engine import Engine, Task
from provenance.jobs.failure import Failure
from provenance.jobs.local import Local
from provenance.library import Entry, Library
from provenance.library.library import retrieval
from provenance.lineage.graph import Graph
from provenance.lineage.pair import Pair, examine_pair
from provenance.lineage.reconstruction import reconstruct
from provenance.options import ALPHA, Options, Progress, Silent
from provenance.result import Direction, Relation, rounded

NEAREST: Final = 4
"""Of each model's relatives, those whose weights are compared, where they are at hand."""
_HELD: Final = 512
"""Fingerprints that are kept in memory: about a megabyte each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """The graph of a library, and what could not be compared."""

    graph: Graph
    errors: tuple[Failure, ...]


def library_graph(library: Library, *, jobs: int = 1, progress: Progress | None = None) -> Kinship:
    """Rebuild the lineage of a library's entries.

    Every entry is tested against those that the index brings up, by fingerprints. Each one's nearest relatives are
    compared by their weights, where the library knows where those lie. A parent that the library was told of gives an
    arrow to an edge that has none.

    Parameters
    ----------
    library : Library
        All of whose entries are looked at.
    jobs : int
        Comparisons of weights under way at once.
    progress : Progress, optional
        Told how far it is.

    Raises
    ------
    CheckpointError
        When a fingerprint is missing or damaged.
    """
    progress = progress or Silent()
    entries = {entry.content: entry for entry in library.entries()}
    pairs = _by_fingerprints(library, progress)
    found, errors = _by_weights(_nearest(pairs.values()), entries, jobs, progress)
    pairs |= found
    named = [replace(pair, a=entries[pair.a].name, b=entries[pair.b].name) for pair in pairs.values()]
    told = {(parent, entry.name) for entry in entries.values() for parent in _parents(entry, library, entries)}
    graph = reconstruct([entry.name for entry in entries.values()], [_told(pair, told) for pair in named])
    further = {entry.name: set(entry.names[1:]) for entry in entries.values()}
    return Kinship(graph=_with_names(graph, further), errors=errors)


_Key = tuple[str, str]


def _by_fingerprints(library: Library, progress: Progress) -> dict[_Key, Pair]:
    """Pairs that share trained weights, by their contents."""
    contents, table = library.table()
    progress.stage("comparing fingerprints", len(contents))
    read = lru_cache(_HELD)(library.read)
    alpha = ALPHA / max(len(contents) ** 2, 1)
    found: dict[_Key, Pair] = {}
    tried: set[_Key] = set()
    for content in contents:
        query = retrieval(read(content))
        for place in likely(table, table.scores(query), query.shapes):
            key = (min(content, contents[place]), max(content, contents[place]))
            if key[0] != key[1] and key not in tried:
                tried.add(key)
                pair = _compared(key, read(key[0]), read(key[1]), alpha)
                if pair.is_shared:
                    found[key] = pair
        progress.advance()
    return found


def _compared(key: _Key, a: Printed, b: Printed, alpha: float) -> Pair:
    observed, judgement = observe(a, b, alpha=alpha)
    distance = geometry.path_of(observed).distance
    return Pair(
        a=key[0],
        b=key[1],
        relation=judgement.ruling.relation,
        kinds=tuple(kind.kind for find in KINDS if (kind := find(observed, judgement)) is not None),
        log10_p=judgement.strength.log10_p,
        effect=judgement.strength.effect,
        distance=None if distance is None else rounded(distance**2),
    )


def _nearest(pairs: Iterable[Pair]) -> list[Pair]:
    """Those that lead to one of the nearest relatives of either side."""
    around: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        around[pair.a].append(pair)
        around[pair.b].append(pair)

    def length(pair: Pair) -> tuple[float, str, str]:
        return (float("inf") if pair.distance is None else pair.distance), pair.a, pair.b

    kept = {(pair.a, pair.b): pair for each in around.values() for pair in sorted(each, key=length)[:NEAREST]}
    return [kept[key] for key in sorted(kept)]


def _by_weights(
    pairs: Sequence[Pair], entries: Mapping[str, Entry], jobs: int, progress: Progress
) -> tuple[dict[_Key, Pair], tuple[Failure, ...]]:
    """The pairs whose weights are at hand, compared by these."""
    places = {content: _place(entry) for content, entry in entries.items()}
    items: list[tuple[str, tuple[str, str, float]]] = []
    keys: dict[str, _Key] = {}
    alpha = ALPHA / max(len(pairs), 1)
    for pair in pairs:
        a, b = places[pair.a], places[pair.b]
        if a is not None and b is not None:
            name = f"{entries[pair.a].name} and {entries[pair.b].name}"
            keys[name] = (pair.a, pair.b)
            items.append((name, (a, b, alpha)))
    progress.stage("comparing weights", len(items))
    found: dict[_Key, Pair] = {}
    errors: list[Failure] = []
    with Engine(Local(jobs)) as engine:
        for name, outcome in engine.run(Task(work=_examined), items):
            progress.advance()
            if isinstance(outcome, Failure):
                errors.append(outcome)
            else:
                a, b = keys[name]
                found[a, b] = replace(outcome, a=a, b=b)
    return found, tuple(sorted(errors, key=lambda each: each.target))


def _examined(asked: tuple[str, str, float]) -> Pair:
    a, b, alpha = asked
    return examine_pair(a, b, Options(alpha=alpha, threads=1))


def _place(entry: Entry) -> str | None:
    return next((each for each in entry.sources if each and Path(each).exists()), None)


def _parents(entry: Entry, library: Library, entries: Mapping[str, Entry]) -> list[str]:
    """The parents that an entry was added with, as far as they are in the library, by their first names."""
    known = (library.database.content_of(parent) for parent in entry.parents)
    return [entries[content].name for content in known if content is not None and content in entries]


def _told(pair: Pair, told: set[_Key]) -> Pair:
    if pair.direction in (Direction.A_TO_B, Direction.B_TO_A) or pair.relation is Relation.IDENTICAL:
        return pair
    if ((pair.a, pair.b) in told) != ((pair.b, pair.a) in told):
        return replace(pair, direction=Direction.A_TO_B if (pair.a, pair.b) in told else Direction.B_TO_A)
    return pair


def _with_names(graph: Graph, further: Mapping[str, set[str]]) -> Graph:
    """All names of the weights, beside the first one."""

    def all_names(name: str, others: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted({*others, *(each for one in (name, *others) for each in further.get(one, ()))} - {name}))

    return replace(
        graph, nodes=tuple(replace(node, duplicates=all_names(node.name, node.duplicates)) for node in graph.nodes)
    )
