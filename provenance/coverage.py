"""How much of each side is dependent: parameters in role groups found dependent, over all learned parameters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from provenance.observation import Observation, Side
from provenance.result import Coverage, rounded
from provenance.thresholds import thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Names of covered learned tensors on each side, and the resulting shares."""

    a: frozenset[str]
    b: frozenset[str]
    shares: Coverage


def cover(observed: Observation) -> Covered:
    """Which tensors are covered: dependent ones, and unsampled layers of a role whose sampled ones mostly are.

    Parameters
    ----------
    observed : Observation
        The pair.
    """
    tested: dict[str, list[str]] = defaultdict(list)
    unsampled: dict[str, list[str]] = defaultdict(list)
    for pair in observed.pairing.pairs:
        name = pair.a.name
        if name in observed.measured:
            tested[observed.role_of(name)].append(name)
        elif name in observed.a.inventory.learned:
            unsampled[observed.role_of(name)].append(name)
    direct = set(observed.dependent_tensors)
    followed: set[str] = set()
    for role, names in tested.items():
        dependent = sum(name in direct for name in names)
        if dependent >= thresholds().extrapolation_share * len(names):
            followed |= set(unsampled.get(role, ()))
    covered_a = direct | followed
    covered_b = {observed.pair_of[name].b.name for name in covered_a}
    shares = Coverage(
        a=_share(covered_a, observed.a),
        b=_share(covered_b, observed.b),
        extrapolated=_share(followed, observed.a),
    )
    return Covered(a=frozenset(covered_a), b=frozenset(covered_b), shares=shares)


def _share(names: set[str], side: Side) -> float:
    """Learned parameters under these names, or under the names that they repeat, over all learned parameters."""
    learned, copies = side.inventory.learned, side.inventory.copies
    counted = {copies.get(name, name) for name in names}
    total = side.inventory.parameters
    return rounded(sum(learned.get(name, 0) for name in counted) / total) if total else 0.0
