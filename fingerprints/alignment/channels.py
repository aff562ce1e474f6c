"""Channels of convolutional and other plain networks in the other's order, though no role and no wiring is known.

What a layer's channels read is known once the order of its inputs is: image and feature inputs are in place, and every
layer that was matched gives an order to try on the layers behind it. What channels pass on is known in the same way
from the outputs on. Which orders fit which layer is told by the weights, so that skips and branches need no names. The
two searches share no order: where they agree on the inputs of a layer, that is no chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.unit_features import scaled_rows
from fingerprints.anatomy import PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.kernels.index_test import FEWEST_UNITS
from fingerprints.kernels.matching import SAME, chance_level
from fingerprints.pairing import Pair, Pairing
from fingerprints.sampling import Ints
from fingerprints.values import widened
from fingerprints.wiring import RECURRENT, forward_order, is_table

MOST_CHANNELS = 4096
"""Layers with longer axes are left out."""
MOST_VALUES = 1 << 25
"""So are those with more values."""
MOST_TOGETHER = 1 << 27
"""Networks with more values in all layers are not searched: both sides are held in memory."""
FEATURES = 2048
"""Entries of a channel that are compared."""
FEW_FEATURES = 64
"""With fewer entries the cosines of unrelated channels come near those of the same ones after training."""
SAME_ORDER = 0.9
"""Share of channels in one place from which two orders are one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelMap:
    """One layer: channel i of A's inputs is channel `inputs[i]` of B's, and so for outputs.

    `agreement` is the share of inputs on which what is read up to there and what is passed on from there agree, each
    searched by itself; None where only one of the searches came this far, and where inputs are in place: those may mean
    something.
    """

    pair: Pair
    inputs: Ints
    outputs: Ints
    agreement: float | None


def channel_layers(pairing: Pairing) -> tuple[Pair, ...]:
    """The layers that are looked at, in their presumed order: matrices and kernels of no known role.

    None where there are too many, or most values are no kernels of convolutions: between inputs and outputs that mean
    the same in both, the few units of independent perceptrons agree too often (up to 40 % in the first layer).

    Parameters
    ----------
    pairing : Pairing
        From names and shapes.
    """
    layers = [pair for pair in pairing.pairs if _is_layer(pair)]
    kernels = sum(pair.a.info.size for pair in layers if len(pair.a.shape) > 2)
    together = sum(pair.a.info.size for pair in layers)
    if 2 * kernels < together or together > MOST_TOGETHER:
        return ()
    return tuple(sorted(layers, key=lambda pair: forward_order(pair.a.module)))


def match_channels(
    pairing: Pairing, a: Checkpoint, b: Checkpoint, *, forced: bool = False
) -> tuple[ChannelMap, ...] | None:
    """Match the channels of all layers.

    Parameters
    ----------
    pairing : Pairing
        From names and shapes.
    a, b : Checkpoint
        Layers are read whole.
    forced : bool
        Go on with the best order where none is credible: for what independent models reach.

    Returns
    -------
    tuple of ChannelMap or None
        Of every layer that either search reached; None where no layer was reached by both.
    """
    pairs, values = [], []
    for pair in channel_layers(pairing):
        sides = _read(pair, a, b)
        if sides is not None:
            pairs.append(pair)
            values.append(sides)
    read = _Search(values, forced=forced).run()
    turned = [(x.transpose(1, 0, 2), y.transpose(1, 0, 2)) for x, y in reversed(values)]
    passed = {len(values) - 1 - place: found for place, found in _Search(turned, forced=forced).run().items()}
    maps = []
    for place, pair in enumerate(pairs):
        both = place in read and place in passed and pair.a.shape[1] >= FEWEST_UNITS
        searched = both and not np.array_equal(read[place][0], np.arange(pair.a.shape[1]))
        agreement = float(np.mean(read[place][0] == passed[place][1])) if searched else None
        if place in read:
            maps.append(ChannelMap(pair=pair, inputs=read[place][0], outputs=read[place][1], agreement=agreement))
        elif place in passed:
            maps.append(ChannelMap(pair=pair, inputs=passed[place][1], outputs=passed[place][0], agreement=None))
    return tuple(maps) if any(each.agreement is not None for each in maps) else None


class _Search:
    """Orders of rows that follow from orders of columns, from one end of a network to the other."""

    def __init__(self, layers: Sequence[tuple[Floats32, Floats32]], *, forced: bool) -> None:
        self._layers = layers
        self._forced = forced
        self._known: dict[int, list[Ints]] = {}
        self._tried: dict[tuple[int, int], tuple[Ints, float, bool]] = {}

    def run(self) -> dict[int, tuple[Ints, Ints]]:
        """Orders of columns and rows by the layer's place, for those that were reached."""
        found: dict[int, tuple[Ints, Ints]] = {}
        left = list(range(len(self._layers)))
        while left:
            reached = []
            for place in left:
                best = self._best(place)
                if best[3]:
                    found[place] = best[0], best[1]
                    self._learn(best[1])
                    reached.append(place)
            if not reached and (open_ones := [place for place in left if self._may_start(place)]):
                best = self._best(open_ones[0], whole=True)
                found[open_ones[0]] = best[0], best[1]
                self._learn(best[1])
                reached.append(open_ones[0])
            if not reached:
                break
            left = [place for place in left if place not in reached]
        return found

    def _may_start(self, place: int) -> bool:
        """Whether a layer may be taken as it comes: so few inputs make nothing credible, and layers behind it tell."""
        columns = self._layers[place][0]
        return self._forced or columns[0].size < FEW_FEATURES

    def _best(self, place: int, *, whole: bool = False) -> tuple[Ints, Ints, float, bool]:
        """Of the known orders of a layer's columns the first that is credible, else the best one.

        Columns in place are tried last, and by force only where nothing else is known.
        """
        x, y = self._layers[place]
        length = x.shape[1]
        orders = [np.arange(length, dtype=np.int64), *self._known.get(length, [])]
        tried = []
        for number in reversed(range(int(self._forced and len(orders) > 1), len(orders))):
            if whole or (place, number) not in self._tried:
                self._tried[place, number] = _matched(x, y[:, orders[number]], whole=whole)
            rows, score, credible = self._tried[place, number]
            tried.append((orders[number], rows, score, credible))
            if credible:
                break
        return max(tried, key=lambda each: (each[3], each[2]))

    def _learn(self, rows: Ints) -> None:
        known = self._known.setdefault(len(rows), [])
        if not any(float(np.mean(rows == order)) >= SAME_ORDER for order in known):
            known.append(rows)


def _matched(x: Floats32, y: Floats32, *, whole: bool) -> tuple[Ints, float, bool]:
    """The best one-to-one order of y's rows, the median cosine in it, and whether no chance explains that.

    Where it is not `whole`, no order is sought for rows whose best counterparts are no better than chance.
    """
    from scipy.optimize import linear_sum_assignment  # deferred: the package's import takes a while

    rows = np.arange(len(x), dtype=np.int64)
    ours, theirs = (side.reshape(len(side), -1) for side in (x, y))
    step = max(1, ours.shape[1] // FEATURES)
    c = scaled_rows(np.ascontiguousarray(ours[:, ::step])) @ scaled_rows(np.ascontiguousarray(theirs[:, ::step])).T
    level = min(SAME, chance_level(c))
    if not whole and float(np.median(c.max(axis=1))) <= level:
        return rows, 0.0, False
    order = np.asarray(linear_sum_assignment(c, maximize=True)[1], dtype=np.int64)
    score = float(np.median(c[rows, order]))
    return order, score, score > level and len(rows) >= FEWEST_UNITS


def _is_layer(pair: Pair) -> bool:
    part = pair.a
    known = bool(part.axes or pair.b.axes) or part.kind is not PartKind.MATRIX
    if known or part.shape != pair.b.shape or len(part.shape) < 2 or RECURRENT.search(part.name) or is_table(part):
        return False
    return max(part.shape[:2]) <= MOST_CHANNELS and prod(part.shape) <= MOST_VALUES


def _read(pair: Pair, a: Checkpoint, b: Checkpoint) -> tuple[Floats32, Floats32] | None:
    """Both sides as (outputs, inputs, kernel); None where either cannot be read or is not finite."""
    outputs, inputs = pair.a.shape[:2]
    try:
        x, y = (widened(side.rows(part.name, 0, outputs)) for part, side in ((pair.a, a), (pair.b, b)))
    except CheckpointError:
        return None
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    return x.reshape(outputs, inputs, -1), y.reshape(outputs, inputs, -1)
