"""The kinds of change, one file each, in the order parent to child; a new one is one more line here."""

from collections.abc import Callable

from provenance.judgement import Judgement
from provenance.kinds import (
    component_reuse,
    container,
    depth,
    disguised,
    dtype_cast,
    fine_tune,
    head_replaced,
    low_rank,
    moe_upcycled,
    noise_added,
    pruned,
    quantised,
    renamed,
    resharded,
    vocabulary_change,
    width,
)
from provenance.observation import Observation
from provenance.result import Kind

KINDS: tuple[Callable[[Observation, Judgement], Kind | None], ...] = (
    component_reuse.find,
    disguised.find,
    width.find,
    depth.find,
    moe_upcycled.find,
    vocabulary_change.find,
    head_replaced.find,
    fine_tune.find,
    low_rank.find,
    pruned.find,
    noise_added.find,
    quantised.find,
    dtype_cast.find,
    renamed.find,
    resharded.find,
    container.find,
)


def find_kinds(observed: Observation, judgement: Judgement) -> tuple[Kind, ...]:
    """All kinds that hold, in the order above."""
    return tuple(kind for find in KINDS if (kind := find(observed, judgement)) is not None)
