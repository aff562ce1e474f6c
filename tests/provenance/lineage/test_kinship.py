"""The lineage of a library, with and without weights at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cli.main import run
from provenance.fingerprinting import fingerprint
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.lineage.kinship import library_graph
from tests.small_models import write_child, write_model


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base, two children, a grandchild, a pruned copy, and a stranger."""
    folder = tmp_path_factory.mktemp("family")
    base = write_model(folder / "base", seed=1)
    one = write_child(folder / "one", base, seed=2)
    write_child(folder / "two", base, seed=3)
    write_child(folder / "grandchild", one, seed=4)
    write_model(folder / "stranger", seed=5)
    pruned = folder / "pruned"
    pruned.mkdir()
    weights = load_file(folder / "two" / "model.safetensors")
    kept = {name: np.where(abs(each) < np.quantile(abs(each), 0.3), 0, each) for name, each in weights.items()}
    save_file({name: each.astype(np.float32) for name, each in kept.items()}, pruned / "model.safetensors")
    return {path.name: path for path in sorted(folder.iterdir())}


TRUTH = {frozenset(each) for each in (("base", "one"), ("base", "two"), ("one", "grandchild"), ("two", "pruned"))}


def ends(library: Library) -> tuple[set[frozenset[str]], set[tuple[str, str]], dict[str, tuple[str, ...]]]:
    found = library_graph(library)
    assert not found.errors
    edges = {frozenset((edge.a, edge.b)) for edge in found.graph.edges}
    arrows = {(edge.a, edge.b) for edge in found.graph.edges if edge.directed}
    return edges, arrows, {node.name: node.duplicates for node in found.graph.nodes}


def test_weights_at_hand_give_edges_and_arrows(family: dict[str, Path], tmp_path: Path) -> None:
    with Library(tmp_path / "library", create=True) as library:
        for name, path in family.items():
            add_path(library, path, name=name)
        add_path(library, family["one"], name="one again")
        edges, arrows, nodes = ends(library)
    folded = {name: {name, *others} for name, others in nodes.items()}
    assert folded["one"] == {"one", "one again"}
    assert edges == TRUTH
    assert ("two", "pruned") in arrows
    assert "stranger" in nodes


def test_fingerprints_alone_give_the_edges_and_named_parents_the_arrows(
    family: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Library(tmp_path / "library", create=True) as library:
        for name, path in family.items():
            (tmp_path / "f.safetensors").write_bytes(fingerprint(path)[0])
            parents = {"grandchild": ("one",), "one": ("base",), "stranger": ("base",)}.get(name, ())
            add_path(library, tmp_path / "f.safetensors", name=name, parents=parents)
        edges, arrows, _ = ends(library)
    assert edges == TRUTH
    assert arrows >= {("base", "one"), ("one", "grandchild")}
    assert run(["tree", str(tmp_path / "library"), "--quiet"]) == 0
    assert "one\n" in capsys.readouterr().out
    assert run(["tree", str(tmp_path)]) == 2
