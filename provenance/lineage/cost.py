"""What it takes to write a model down for somebody who has another one.

A lineage explains every model by its parent, and the likeliest one leaves least to be written: a value that stayed
costs nothing, one that moved as much as its size over what rounding leaves (the logarithm), one that the parent does
not have all of its digits. Logarithms keep a part that was drawn anew, such as a vocabulary, from drowning the rest,
and tensors that stayed as they were weigh heavily, for nothing but descent leaves them so. The lengths are no symmetric
distance: what was cut, masked or zeroed follows from the whole, and not the whole from it.
"""

from __future__ import annotations

import math
from typing import Final

from provenance.lineage.change import Change, Step
from provenance.lineage.pair import Pair

ROUNDING: Final = 2.0**-18
"""Squared relative change that rounding to bfloat16 leaves at most."""
TURNED: Final = 2.0 * ROUNDING
"""Squared relative change up to which values that were turned into another basis and back count as equal."""
NEIGHBOURS: Final = math.log(2.0)
"""Nats of a value that was rounded: which of the two levels next to it. That others on such a grid hold the same level
is no sign of descent."""
WHOLE: Final = 0.5 * math.log1p(2.0 / ROUNDING)
"""Nats of a value about which the other side says nothing."""
PLAIN: Final = 0.75
"""What the squared change that a plain operation explains is multiplied by: changes that lean towards one another by a
cosine of .5 shorten the distance of siblings by as much."""
TRAINED: Final = frozenset({"fine_tune", "continued_pretraining"})
"""Kinds that change everything, and in no way of their own."""
PACKAGING: Final = frozenset({"renamed", "resharded", "container", "dtype_cast"})
OPERATION: Final = 0.003
"""Of a model's length, what naming one operation takes: it decides between ways that are as long but for what samples
of different rows differ by."""


def lengths(pair: Pair) -> tuple[float, float]:
    """Nats to write down B by A, and A by B."""
    operations = set(pair.kinds) - PACKAGING
    plain = PLAIN if operations and not operations & TRAINED else 1.0
    if not pair.changes:
        apart = math.inf if pair.distance is None else pair.distance * plain
        both = 0.5 * math.log1p(apart / ROUNDING) + OPERATION * len(operations)
        return both, both
    named = OPERATION * WHOLE * sum(change.size for change in pair.changes) * max(1, len(operations) + pair.transforms)
    on_grid = pair.rounded if not operations & TRAINED else None
    forth = sum(_length(change, change.forth, pair, plain, on_grid == "b") for change in pair.changes)
    back = sum(_length(change, change.back, pair, plain, on_grid == "a") for change in pair.changes)
    return forth + WHOLE * pair.alone[1] + named, back + WHOLE * pair.alone[0] + named


def _length(change: Change, step: Step, pair: Pair, plain: float, on_grid: bool) -> float:
    if step.apart <= (TURNED if pair.recomputed else 0.0):
        return 0.0
    count = change.size * step.moved
    if pair.rank is not None and len(change.shape) == 2:
        # A product of two thin matrices is written down by these.
        count = min(count, float(pair.rank * sum(change.shape)))
    each = 0.5 * math.log1p(plain * step.apart / step.moved / ROUNDING)
    return count * (min(each, NEIGHBOURS) if on_grid else each)
