"""Both sides of a network through the maps of its channels: B's layers and vectors in A's order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fingerprints.alignment.alignment import Alignment
from fingerprints.alignment.channels import ChannelMap, match_channels
from fingerprints.alignment.selected import Selected
from fingerprints.anatomy import Anatomy, Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.views import seen_as
from fingerprints.pairing import Pair, Pairing
from fingerprints.sampling import Ints
from fingerprints.values import widened

MATCHED = ("channel",)
Orders = Mapping[int, Sequence[Ints]]


def align_channels(
    anatomies: tuple[Anatomy, Anatomy], checkpoints: tuple[Checkpoint, Checkpoint], pairing: Pairing
) -> Alignment | None:
    """Find the orders of channels and show B in A's.

    Parameters
    ----------
    anatomies, checkpoints : pair
        A's and B's.
    pairing : Pairing
        From names and shapes.

    Returns
    -------
    Alignment or None
        None where no layer is reached from both ends of the network.
    """
    a, b = checkpoints
    maps = match_channels(pairing, a, b)
    if maps is None:
        return None
    by_name = {each.pair.b.name: each for each in maps}
    views = {name: _view(each.pair.b, each.outputs, each.inputs) for name, each in by_name.items()}
    vectors = [pair for pair in pairing.pairs if len(pair.a.shape) == len(pair.b.shape) == 1 and not pair.a.axes]
    views |= {part.name: _view(part, order) for part, order in _vectors(vectors, maps, a, b)}
    parts = {
        name: replace(part, info=views[name].info) if name in views else part
        for name, part in anatomies[1].parts.items()
    }
    return Alignment(
        a=a,
        b=RelaidCheckpoint(b, set(views), views),
        anatomies=(anatomies[0], replace(anatomies[1], parts=parts)),
        pairing=replace(
            pairing,
            pairs=tuple(
                replace(pair, b=parts[pair.b.name], matched=MATCHED) if pair.b.name in views else pair
                for pair in pairing.pairs
            ),
        ),
        left_out=(),
        repeated=({}, {}),
        towers=(),
        stands_for={},
        channels=maps,
    )


def _view(part: Part, *axes: Ints) -> Selected:
    rest = (None,) * (len(part.shape) - len(axes))
    info = seen_as(part.info, part.name, part.shape, "channels in order")
    return Selected(info=info, source=part.name, axes=(*axes, *rest))


def _vectors(
    pairs: Sequence[Pair], maps: Sequence[ChannelMap], a: Checkpoint, b: Checkpoint
) -> list[tuple[Part, Ints]]:
    """Vectors of one module in the order of some layer's outputs under which they are most alike."""
    orders: dict[int, list[Ints]] = defaultdict(list)
    for each in maps:
        orders[len(each.outputs)].append(each.outputs)
    modules: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.a.shape == pair.b.shape and pair.a.shape[0] in orders:
            modules[pair.a.module].append(pair)
    found = []
    for members in modules.values():
        try:
            x, y = (
                np.stack([_scaled(widened(side.rows(part.name, 0, part.shape[0]))) for part in parts])
                for side, parts in ((a, [p.a for p in members]), (b, [p.b for p in members]))
            )
        except (CheckpointError, ValueError):
            continue
        known = [np.arange(x.shape[1], dtype=np.int64), *orders[x.shape[1]]]
        best = max(known, key=lambda order: float(np.sum(x * y[:, order])))
        found += [(pair.b, best) for pair in members]
    return found


def _scaled(vector: np.ndarray) -> np.ndarray:
    """Without its mean, of length one; zeros where nothing varies."""
    centred = vector.astype(np.float64) - vector.mean(dtype=np.float64)
    return np.asarray(np.nan_to_num(centred / max(float(np.linalg.norm(centred)), 1e-30)))
