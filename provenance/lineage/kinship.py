"""The lineage of everything in a library: its fingerprints tell who is related, weights at hand which way it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from fingerprints.measurement import TensorMeasurement
from provenance.decomposition.decompose import decompose
from provenance.decomposition.result import Outcome
from provenance.fingerprint_comparison import KINDS, Printed, observe
from provenance.identification import geometry
from provenance.identification.shortlist import likely
from provenance.jobs.engine import Engine, Task
from provenance.jobs.failure import Failure
from provenance.jobs.local import Local
from provenance.library import Entry, Library
from provenance.library.library import retrieval
from provenance.lineage.change import Change, Step
from provenance.lineage.graph import Graph
from provenance.lineage.mixtures import Suspect
from provenance.lineage.pair import Pair, Portrayed, examine_with_portraits
from provenance.lineage.reconstruction import reconstruct
from provenance.lineage.study import Study
from provenance.observation import Observation
from provenance.options import ALPHA, Options, Progress, Silent
from provenance.result import Direction, Relation, rounded

_HELD: Final = 512
"""Fingerprints that are kept in memory: about a megabyte each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """The graph of a library, and what could not be compared."""

    graph: Graph
    errors: tuple[Failure, ...]


def library_graph(library: Library, *, jobs: int = 1, progress: Progress | None = None) -> Kinship:
    """Rebuild the lineage of a library's entries.

    Every entry is tested against those that the index brings up, by fingerprints. Families are then studied by their
    weights (`Study`), as far as the library knows where those lie. A parent that the library was told of gives an arrow
    to an edge that has none.

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
    prints = _Prints(library)
    pairs = prints.pairs(progress)
    places = {content: place for content, entry in entries.items() if (place := entry.place) is not None}
    with Engine(Local(jobs)) as engine:
        weights = _Weights(places, entries, engine, progress)
        at_hand = {key: pair for key, pair in pairs.items() if key[0] in places and key[1] in places}
        study = Study(at_hand, prints.doubtful, weights.examine, weights.take_apart)
        found = study.pairs(places)
    # Where weights were at hand, what fingerprints say of the two adds nothing.
    known = [*found, *(pair for key, pair in pairs.items() if key not in at_hand)]
    named = [replace(pair, a=entries[pair.a].name, b=entries[pair.b].name) for pair in known]
    told = {(parent, entry.name) for entry in entries.values() for parent in _parents(entry, library, entries)}
    merges = {entries[child].name: [entries[each].name for each in both] for child, both in study.merges.items()}
    graph = reconstruct([entry.name for entry in entries.values()], [_told(pair, told) for pair in named], merges)
    further = {entry.name: set(entry.names[1:]) for entry in entries.values()}
    return Kinship(graph=_with_names(graph, further), errors=weights.errors)


_Key = tuple[str, str]


class _Prints:
    """The fingerprints of a library, pair by pair."""

    def __init__(self, library: Library) -> None:
        self._contents, self._table = library.table()
        self._read = lru_cache(_HELD)(library.read)
        self._alpha = ALPHA / max(len(self._contents) ** 2, 1)

    def pairs(self, progress: Progress) -> dict[_Key, Pair]:
        """Those that share trained weights, by their contents in order."""
        progress.stage("comparing fingerprints", len(self._contents))
        found: dict[_Key, Pair] = {}
        tried: set[_Key] = set()
        for content in self._contents:
            query = retrieval(self._read(content))
            for place in likely(self._table, self._table.scores(query), query.shapes):
                key = (min(content, self._contents[place]), max(content, self._contents[place]))
                if key[0] != key[1] and key not in tried:
                    tried.add(key)
                    pair = self._compared(key)
                    if pair.is_shared:
                        found[key] = pair
            progress.advance()
        return found

    def doubtful(self, a: str, b: str) -> bool:
        """Whether weights could show what fingerprints do not."""
        return self._compared((a, b)).relation is Relation.INCONCLUSIVE

    def _compared(self, key: _Key) -> Pair:
        return _compared(key, self._read(key[0]), self._read(key[1]), self._alpha)


class _Weights:
    """Comparisons of the weights that are at hand."""

    def __init__(
        self, places: Mapping[str, str], entries: Mapping[str, Entry], engine: Engine, progress: Progress
    ) -> None:
        self._places, self._entries, self._engine, self._progress = places, entries, engine, progress
        self._alpha = ALPHA / max(len(places) * (len(places) - 1) // 2, 1)
        self._errors: list[Failure] = []

    @property
    def errors(self) -> tuple[Failure, ...]:
        """What could not be compared."""
        return tuple(sorted(self._errors, key=lambda each: each.target))

    def examine(self, keys: Sequence[_Key]) -> dict[_Key, Portrayed]:
        """Compare pairs of contents."""
        named = {" and ".join(self._entries[each].name for each in key): key for key in keys}
        items = [(name, (self._places[a], self._places[b], self._alpha)) for name, (a, b) in named.items()]
        self._progress.stage("comparing weights", len(items))
        found: dict[_Key, Portrayed] = {}
        for name, outcome in self._engine.run(Task(work=_examined), items):
            self._progress.advance()
            if isinstance(outcome, Failure):
                self._errors.append(outcome)
            else:
                a, b = named[name]
                found[a, b] = replace(outcome, pair=replace(outcome.pair, a=a, b=b))
        return found

    def take_apart(self, suspects: Sequence[Suspect]) -> dict[str, tuple[str, ...]]:
        """Which are merges of their supposed parents."""
        places = self._places
        items = [
            (each.child, (places[each.child], tuple(places[one] for one in each.parents), places[each.centre]))
            for each in suspects
        ]
        parents = {each.child: each.parents for each in suspects}
        self._progress.stage("taking merges apart", len(items))
        found: dict[str, tuple[str, ...]] = {}
        for child, outcome in self._engine.run(Task(work=_taken_apart), items):
            self._progress.advance()
            if isinstance(outcome, Failure):
                self._errors.append(replace(outcome, target=self._entries[child].name))
            elif len(both := [name for name, is_part in zip(parents[child], outcome, strict=True) if is_part]) > 1:
                found[child] = tuple(both)
        return found


def _compared(key: _Key, a: Printed, b: Printed, alpha: float) -> Pair:
    observed, judgement = observe(a, b, alpha=alpha)
    distance = geometry.path_of(observed).distance
    changes = tuple(_change(name, item, observed) for name, item in sorted(observed.measured.items()))
    held = observed.a.inventory.parameters, observed.b.inventory.parameters
    shown = sum(change.size for change in changes)
    return Pair(
        a=key[0],
        b=key[1],
        relation=judgement.ruling.relation,
        kinds=tuple(kind.kind for find in KINDS if (kind := find(observed, judgement)) is not None),
        log10_p=judgement.strength.log10_p,
        effect=judgement.strength.effect,
        distance=None if distance is None else rounded(distance**2),
        changes=changes,
        alone=(max(0, held[0] - shown), max(0, held[1] - shown)),
    )


def _change(name: str, item: TensorMeasurement, observed: Observation) -> Change:
    """One tensor's change, as far as a fingerprint tells it."""
    equal = name in observed.equal_tensors
    apart = 0.0 if equal else max(min(item.relative_change, 1.0), geometry.FLOOR) ** 2
    step = Step(moved=float(not equal), apart=apart)
    return Change(
        a=name, b=item.pair.b.name, shape=tuple(item.pair.a.shape), squared=apart, level=1.0, forth=step, back=step
    )


def _taken_apart(asked: tuple[str, tuple[str, ...], str]) -> list[bool]:
    """Of supposed parents, which contribute; none where the model is no merge of them."""
    model, parents, base = asked
    found = decompose(model, parents, base)
    return [found.outcome is Outcome.MERGED and each.contributes is True for each in found.parents]


def _examined(asked: tuple[str, str, float]) -> Portrayed:
    a, b, alpha = asked
    return examine_with_portraits(a, b, Options(alpha=alpha, threads=1))


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
