"""Tables of tokens seen at the tokens that both sides have, in A's order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fingerprints.checkpoint import Array, Checkpoint, TensorInfo
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.views import seen_as
from fingerprints.pairing import Pair, Pairing
from fingerprints.sampling import Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenRows:
    """The rows `rows` of `source`, in that order. Costs what these rows cost."""

    info: TensorInfo
    source: str
    rows: Ints

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        return take_in_order(inner, self.source, self.rows[indices])


def take_in_order(checkpoint: Checkpoint, name: str, rows: Ints) -> Array:
    """Distinct rows of a tensor in any order."""
    if (np.diff(rows) > 0).all():
        return checkpoint.take(name, rows)
    order = np.argsort(rows)
    stored = checkpoint.take(name, rows[order])
    found = np.empty_like(stored)
    found[order] = stored
    return found


def with_rows(checkpoint: Checkpoint, names: tuple[str, ...], rows: Ints) -> Checkpoint:
    """The checkpoint with some rows alone of some tensors; the same object where these are all rows in order.

    Parameters
    ----------
    checkpoint : Checkpoint
        What is stored.
    names : tuple of str
        Tensors whose first axes are of one length.
    rows : ndarray of int64
        Distinct rows.
    """
    changed = {name: checkpoint.tensors[name] for name in names if not _is_all(rows, checkpoint.tensors[name].shape[0])}
    views = {
        name: ChosenRows(
            info=seen_as(info, name, (len(rows), *info.shape[1:]), f"tokens {len(rows)}"), source=name, rows=rows
        )
        for name, info in changed.items()
    }
    return RelaidCheckpoint(checkpoint, changed.keys(), views) if views else checkpoint


def seen(pairing: Pairing, a: Checkpoint, b: Checkpoint) -> Pairing:
    """The pairing with the shapes that tensors have in two checkpoints of views."""
    return replace(pairing, pairs=tuple(_seen(pair, a, b) for pair in pairing.pairs))


def _seen(pair: Pair, a: Checkpoint, b: Checkpoint) -> Pair:
    infos = a.tensors[pair.a.name], b.tensors[pair.b.name]
    if infos == (pair.a.info, pair.b.info):
        return pair
    return replace(pair, a=replace(pair.a, info=infos[0]), b=replace(pair.b, info=infos[1]))


def _is_all(rows: Ints, length: int) -> bool:
    return len(rows) == length and bool((rows == np.arange(length)).all())
