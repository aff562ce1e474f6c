"""Lineages of small nets whose tensors are known: noise, few directions, masks, parts, and sums of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pytest

from provenance.lineage.change import Change, change_of
from provenance.lineage.cost import lengths
from provenance.lineage.graph import Graph
from provenance.lineage.mixtures import find_suspects
from provenance.lineage.pair import Pair
from provenance.lineage.reconstruction import reconstruct
from provenance.result import Direction, Relation

Net = Mapping[str, np.ndarray]
SHAPES = {**{f"layer.{n}.{role}": (48, 48) for n in range(4) for role in "qkvo"}, "table": (96, 48)}


def base(rng: np.random.Generator) -> Net:
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def trained(net: Net, rng: np.random.Generator, size: float = 0.05, lean: Net | None = None) -> Net:
    """A change in all directions, some of it common to all that read one text."""
    return {
        name: (each + size * (rng.normal(size=each.shape) + (0.0 if lean is None else lean[name]))).astype(np.float32)
        for name, each in net.items()
    }


def adapted(net: Net, rng: np.random.Generator) -> Net:
    """Two directions in every second matrix."""
    thin = {name: rng.normal(size=(2, sum(each.shape))) * 0.05 for name, each in net.items() if name[-1] in "qv"}
    return {
        name: (each + thin[name][:, : len(each)].T @ thin[name][:, len(each) :]).astype(np.float32)
        if name in thin
        else each
        for name, each in net.items()
    }


def masked(net: Net, rng: np.random.Generator) -> Net:
    del rng
    return {
        name: np.where(np.abs(each) < np.median(np.abs(each)), 0.0, each).astype(np.float32)
        for name, each in net.items()
    }


def frozen(net: Net, rng: np.random.Generator) -> Net:
    tuned = trained(net, rng)
    return {name: tuned[name] if name.startswith(("layer.2", "layer.3")) else each for name, each in net.items()}


def pairs_of(nets: Mapping[str, Net], arrows: bool = True) -> list[Pair]:
    """Every pair as a comparison would have it, kinds left out."""
    found = []
    for a, b in combinations(sorted(nets), 2):
        both = [name for name in nets[a] if name in nets[b]]
        changes = [change_of(name, name, SHAPES[name], nets[a][name], nets[b][name]) for name in both]
        known: tuple[Change, ...] = tuple(each for each in changes if each is not None)
        alone = [sum(each.size for name, each in nets[one].items() if name not in both) for one in (a, b)]
        zeros = [sum(float((each == 0.0).mean()) for each in nets[one].values()) for one in (a, b)]
        way = Direction.UNDIRECTED
        if arrows and abs(zeros[0] - zeros[1]) > 1.0:
            way = Direction.A_TO_B if zeros[1] > zeros[0] else Direction.B_TO_A
        distance = sum(each.squared * each.size for each in known) / sum(each.level * each.size for each in known)
        found.append(
            Pair(
                a=a,
                b=b,
                relation=Relation.DERIVED,
                direction=way,
                kinds=("fine_tune",),
                distance=distance,
                changes=known,
                alone=(alone[0], alone[1]),
            )
        )
    return found


def ends(graph: Graph) -> set[frozenset[str]]:
    return {frozenset((edge.a, edge.b)) for edge in graph.edges}


@pytest.mark.parametrize("seed", range(6))
def test_random_lineages_of_all_kinds_are_found_again(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    nets: dict[str, Net] = {"m00": base(rng)}
    operations: list[Callable[[Net, np.random.Generator], Net]] = [trained, trained, adapted, frozen, masked]
    truth: set[frozenset[str]] = set()
    leaves: set[str] = set()
    for number in range(1, 16):
        name = f"m{number:02}"
        parent = str(rng.choice(sorted(nets.keys() - leaves)))
        operation = operations[int(rng.integers(len(operations)))]
        nets[name] = operation(nets[parent], rng)
        if operation is masked:
            # The mask of a mask is the same mask again.
            leaves.add(name)
        truth.add(frozenset((parent, name)))
    said = ends(reconstruct(list(nets), pairs_of(nets)))
    assert said >= {edge for edge in truth if not edge & leaves}
    # Two masks of one parent are one model, and are joined with one another.
    assert len(said & truth) >= 0.9 * len(truth)


def test_siblings_that_lean_towards_each_other_stay_with_their_parent() -> None:
    rng = np.random.default_rng(7)
    start, text = base(rng), {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    nets = {"base": start, **{f"other{n}": trained(start, rng, 0.05) for n in range(2)}}
    nets["short"] = trained(start, rng, 0.02, text)
    nets["long"] = trained(start, rng, 0.06, text)
    apart = {frozenset((pair.a, pair.b)): pair.distance for pair in pairs_of(nets)}
    assert apart[frozenset(("short", "long"))] < apart[frozenset(("base", "long"))]
    assert ends(reconstruct(list(nets), pairs_of(nets))) == {
        frozenset(("base", name)) for name in nets if name != "base"
    }


def test_a_mask_leads_away_from_the_whole_and_to_nothing_else() -> None:
    rng = np.random.default_rng(8)
    start = base(rng)
    nets = {"base": start, "tuned": trained(start, rng, 0.3), "mask": masked(start, rng)}
    pairs = pairs_of(nets, arrows=False)
    forth, back = lengths(next(pair for pair in pairs if (pair.a, pair.b) == ("base", "mask")))
    assert forth < 0.01 * back
    assert ends(reconstruct(list(nets), pairs)) == {frozenset(("base", "tuned")), frozenset(("base", "mask"))}


def family(rng: np.random.Generator) -> tuple[dict[str, Net], list[Net]]:
    """A model and eight children, and the changes of two of them."""
    start = base(rng)
    nets: dict[str, Net] = {"base": start, **{f"c{n}": trained(start, rng) for n in range(8)}}
    return nets, [{name: nets[each][name] - start[name] for name in SHAPES} for each in ("c0", "c1")]


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.8, 0.6), (0.3, 0.7)])
def test_sums_of_changes_have_both_parents(weights: tuple[float, float]) -> None:
    nets, changes = family(np.random.default_rng(9))
    nets["sum"] = {
        name: each + weights[0] * changes[0][name] + weights[1] * changes[1][name]
        for name, each in nets["base"].items()
    }
    found = reconstruct(list(nets), pairs_of(nets))
    assert {edge.a for edge in found.edges if edge.b == "sum" and edge.directed} == {"c0", "c1"}
    assert {edge.a for edge in found.edges if edge.b == "c0" and edge.directed} <= {"base"}


def test_sums_that_drop_elements_are_suspected() -> None:
    rng = np.random.default_rng(11)
    nets, changes = family(rng)
    kept = [{name: rng.random(shape) < 0.6 for name, shape in SHAPES.items()} for _ in changes]
    nets["dropped"] = {
        name: (each + sum(change[name] * mask[name] for change, mask in zip(changes, kept, strict=True))).astype(
            np.float32
        )
        for name, each in nets["base"].items()
    }
    known = {frozenset((pair.a, pair.b)): pair for pair in pairs_of(nets)}
    assert [(each.child, each.parents, each.centre) for each in find_suspects(known)] == [
        ("dropped", ("c0", "c1"), "base")
    ]
    told = reconstruct(list(nets), pairs_of(nets), {"dropped": ("c0", "c1")})
    assert {edge.a for edge in told.edges if edge.b == "dropped"} == {"c0", "c1"}


def test_parts_of_strangers_are_both_parents() -> None:
    rng = np.random.default_rng(10)
    one, other = base(rng), base(rng)
    nets = {
        "one": one,
        "other": other,
        "tuned": trained(one, rng),
        "put together": {name: other[name] if name.startswith("layer.1") else each for name, each in one.items()},
    }
    kept = {frozenset(key) for key in (("one", "tuned"), ("one", "put together"), ("other", "put together"))}
    kept.add(frozenset(("put together", "tuned")))
    pairs = [pair for pair in pairs_of(nets) if frozenset((pair.a, pair.b)) in kept]
    found = reconstruct(list(nets), pairs)
    assert {edge.a for edge in found.edges if edge.b == "put together" and edge.directed} == {"one", "other"}
    assert frozenset(("one", "tuned")) in ends(found)
