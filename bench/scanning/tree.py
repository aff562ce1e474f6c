"""Does `tree` recover the lineage of the zoo from a library of all its models?"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.outcome import Check, Grid, Outcome
from bench.zoo.bases import BASES
from bench.zoo.derivatives import DERIVATIONS
from bench.zoo.derive import folder, truth
from fingerprints.errors import AuditError
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.lineage.graph import Graph
from provenance.lineage.kinship import library_graph

SHAPED = frozenset(
    {
        "quantised",
        "pruned_unstructured",
        "pruned_n_m",
        "pruned_width",
        "pruned_depth",
        "depth_upscaled",
        "moe_upcycled",
        "merged",
    }
)
"""Changes whose result tells which side is the child; an adapter or a tuning could have gone either way."""
EDGES, ARROWS = 0.97, 0.90
TWINS = {
    "llama-q8_0": "llama-gguf-q8_0",
    "llama-q4_0": "llama-gguf-q4_0",
    "llama-gptq-dequantised": "llama-gptq-packed",
    "llama-awq-dequantised": "llama-awq-packed",
}
"""Derivatives that hold, rounded to bfloat16, the very values that another one decodes to: one model in two packings.

Which of the two came first, or whether both came from their parent, no value tells; they count as one model, which may
be drawn as one node or as two that are joined.
"""
PASSED = {
    "llama-prune-neurons-healed": "llama-prune-neurons",
    "llama-drop-layer-healed": "llama-drop-layer",
}
"""Derivatives that were trained from exactly the weights that another one holds, made by the same cut on the way: both
that one and the parent that is recorded are right."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What is true: parent and child for each edge, those that structure can direct, and who is equal to whom.

    `instead` holds, for an edge, another one that is as true; `twins` are equal but for how they are stored.
    """

    edges: frozenset[Key]
    shaped: frozenset[Key]
    optional: frozenset[Key]
    equal: Mapping[str, str]
    twins: frozenset[str] = frozenset()
    instead: Mapping[Key, Key] = field(default_factory=dict)

    def first(self, name: str) -> str:
        """The model whose weights `name` has."""
        while name in self.equal:
            name = self.equal[name]
        return name


def true_lineage(names: list[str]) -> Lineage:
    """The lineage of bases and derivatives, copies folded into what they are copies of."""
    equal, edges, shaped, optional = {}, set(), set(), set()
    for name in names:
        found, parents = truth(name), DERIVATIONS[name].parents
        if found.relation == "identical":
            equal[name] = parents[0]
            continue
        weighed = [str(parent["name"]) for parent in found.parents] or list(parents)
        edges |= {(parent, name) for parent in weighed}
        optional |= {(parent, name) for parent in parents if parent not in weighed}
        if SHAPED & {str(kind["kind"]) for kind in found.kinds}:
            shaped |= {(parent, name) for parent in weighed}
    twins = {name: other for name, other in TWINS.items() if name in names and other in names}
    equal |= twins
    plain = Lineage(edges=frozenset(), shaped=frozenset(), optional=frozenset(), equal=equal)

    def folded(keys: set[Key]) -> frozenset[Key]:
        return frozenset((plain.first(a), plain.first(b)) for a, b in keys)

    instead = {
        (plain.first(parent), name): (other, name)
        for name, other in PASSED.items()
        if name in names and other in names
        for parent in DERIVATIONS[name].parents
    }
    return Lineage(
        edges=folded(edges),
        shaped=folded(shaped),
        optional=folded(optional),
        equal=equal,
        twins=frozenset(twins) | frozenset(twins.values()),
        instead=instead,
    )


def run() -> Outcome:
    """Build the library, draw its tree, and hold it against the truth."""
    names = [name for name in DERIVATIONS if DERIVATIONS[name].covered]
    with tempfile.TemporaryDirectory() as scratch, Library(Path(scratch, "library"), create=True) as library:
        left_out = {name: each for name in (*BASES, *names) if (each := _added(library, name)) is not None}
        found = library_graph(library, jobs=os.cpu_count() or 1)
    return scored(found.graph, true_lineage(names), left_out | {each.target: each.message for each in found.errors})


def _added(library: Library, name: str) -> str | None:
    try:
        add_path(library, folder(name), name=name)
    except AuditError as error:
        return error.message
    return None


def scored(graph: Graph, true: Lineage, left_out: Mapping[str, str]) -> Outcome:
    """How many edges and arrows are right."""
    said, arrows, split = set(), set(), 0
    said_of = {other: edge for edge, other in true.instead.items()}
    for edge in graph.edges:
        a, b = true.first(edge.a), true.first(edge.b)
        if a == b:
            split += not {edge.a, edge.b} <= true.twins
            continue
        a, b = said_of.get((a, b), (a, b)) if edge.directed else said_of.get((a, b), said_of.get((b, a), (a, b)))
        said.add(frozenset((a, b)))
        if edge.directed:
            arrows.add((a, b))
    merged_wrongly = [
        (node.name, other)
        for node in graph.nodes
        for other in node.duplicates
        if true.first(node.name) != true.first(other)
    ]
    wanted, optional = ({frozenset(key) for key in keys} for keys in (true.edges, true.optional))
    undirected = _f1(said - (optional - wanted), wanted)
    ways = {key for key in arrows if key in true.shaped or (key[1], key[0]) in true.shaped}
    directed = _f1(ways, set(true.shaped))
    wrong_arrows = sorted(f"{a} -> {b}" for a, b in arrows if (b, a) in true.edges)
    missing = sorted(" ".join(sorted(key)) for key in wanted - said)
    extra = sorted(" ".join(sorted(key)) for key in said - wanted - optional)
    around: defaultdict[str, list[str]] = defaultdict(list)
    for key in (*missing, *extra):
        around["missing" if key in missing else "extra"].append(key)
    return Outcome(
        part="tree",
        checks=[
            Check(
                name="edges without direction, F1",
                observed=f"{undirected:.3f}",
                required=f">= {EDGES}",
                passed=undirected >= EDGES,
            ),
            Check(
                name="arrows where structure can tell, F1",
                observed=f"{directed:.3f}",
                required=f">= {ARROWS}",
                passed=directed >= ARROWS,
            ),
            Check(
                name="copies that are nodes of their own, strangers folded",
                observed=f"{split}, {len(merged_wrongly)}",
                required="0, 0",
                passed=not split and not merged_wrongly,
            ),
        ],
        grids=[
            Grid(
                title="edges that are wrong",
                columns=("how", "between"),
                rows=[(how, key) for how, keys in around.items() for key in keys],
            )
        ],
        notes=[
            f"{len(said)} edges drawn, {len(wanted)} true; arrows the wrong way: {', '.join(wrong_arrows) or 'none'}"
        ],
        data={
            "f1": undirected,
            "f1_directed": directed,
            "missing": missing,
            "extra": extra,
            "wrong_arrows": wrong_arrows,
            "folded_wrongly": merged_wrongly,
            "left_out": dict(left_out),
        },
    )


def _f1(said: set[Any], wanted: set[Any]) -> float:
    right = len(said & wanted)
    return 2 * right / (len(said) + len(wanted)) if said or wanted else 1.0
