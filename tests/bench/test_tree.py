"""The tree of a small family of the zoo, made here: copies, masks, a grid, another order of channels, and strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.zoo import bases
from bench.zoo.derivatives import DERIVATIONS
from provenance import compare
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.lineage.kinship import library_graph
from provenance.result import Relation

MADE = ("resnet-pickled", "resnet-int8", "resnet-prune-50", "resnet-disguise-channels")


def made(name: str, folder: Path) -> Path:
    derivation = DERIVATIONS[name]
    (folder / name).mkdir()
    derivation.make([bases.BASES[parent].folder for parent in derivation.parents], folder / name)
    return folder / name


@pytest.mark.slow
def test_a_family_hangs_on_its_base_and_what_is_disguised_is_found(tmp_path: Path) -> None:
    with Library(tmp_path / "library", create=True) as library:
        for name in ("resnet-0", "resnet-1"):
            add_path(library, bases.BASES[name].folder, name=name)
        for name in MADE:
            add_path(library, made(name, tmp_path), name=name)
        found = library_graph(library)
    assert not found.errors
    nodes = {node.name: set(node.duplicates) for node in found.graph.nodes}
    assert nodes["resnet-0"] == {"resnet-pickled"}
    assert {frozenset((edge.a, edge.b)) for edge in found.graph.edges} == {
        frozenset(("resnet-0", name)) for name in MADE[1:]
    }
    arrows = {(edge.a, edge.b) for edge in found.graph.edges if edge.directed}
    assert arrows >= {("resnet-0", "resnet-int8"), ("resnet-0", "resnet-prune-50")}


@pytest.mark.slow
def test_names_that_tell_nothing_and_a_disguise_can_meet(tmp_path: Path) -> None:
    nameless, disguised = (made(f"mixtral-{each}", tmp_path) for each in ("anonymous", "disguise-everything"))
    assert compare(nameless, disguised).verdict.relation is Relation.DERIVED
