"""Attention heads of one layer in the other's order and basis.

What a group's values span, and what its keys span, does not change when the basis inside the group does: groups are
matched by that, and the bases follow by least squares, one for each group and matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.unit_features import WHOLE
from fingerprints.checkpoint import Array, Checkpoint, TensorInfo
from fingerprints.errors import CheckpointError
from fingerprints.kernels.matching import mutual_matches
from fingerprints.pairing import Pair
from fingerprints.sampling import Ints
from fingerprints.values import widened

ROLES = ("attn_q", "attn_k", "attn_v", "attn_out")
FUSED = "attn_qkv"
"""Queries, keys and values one after the other, as many heads of each."""
MIXED = 0.1
"""An entry of a block this far from the identity's is more than noise."""
SINGULAR = 1e-10
"""Squared size, as a share of the largest, under which a direction counts as not spanned."""
SPANNED = 0.3
"""Share of a span that two heads of one origin have in common."""
Floats = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """One axis of head dimensions: block `order[h]` of `size` units, turned by `blocks[h]`, becomes block h."""

    size: int
    order: Ints
    blocks: Floats32

    @property
    def is_identity(self) -> bool:
        """Whether nothing is moved or turned."""
        eye = np.eye(self.size, dtype=np.float32)
        return bool(np.array_equal(self.order, np.arange(len(self.order))) and np.abs(self.blocks - eye).max() <= MIXED)

    @property
    def moves(self) -> bool:
        """Whether heads change their places."""
        return not np.array_equal(self.order, np.arange(len(self.order)))

    @property
    def mixes(self) -> bool:
        """Whether the basis inside some head changes."""
        return bool(np.abs(self.blocks - np.eye(self.size, dtype=np.float32)).max() > MIXED)

    def apply(self, values: Floats32) -> Floats32:
        """Turn along axis 0."""
        heads = values.reshape(-1, self.size, values.shape[-1])[self.order]
        return np.asarray(np.matmul(self.blocks, heads).reshape(values.shape), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turned:
    """A matrix whose head dimensions lie along `axis`, turned. Costs the whole matrix."""

    info: TensorInfo
    source: str
    axis: int
    turn: Turn

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at `indices`, float32."""
        if self.axis == 1:
            values = widened(inner.take(self.source, indices))
            return np.ascontiguousarray(self.turn.apply(np.ascontiguousarray(values.T)).T)
        stored = inner.tensors[self.source]
        values = widened(inner.rows(self.source, 0, stored.shape[0]))
        return np.ascontiguousarray(self.turn.apply(values.reshape(stored.shape[0], -1))[indices])


def head_sizes(pairs: Mapping[str, Pair], configs: tuple[Mapping[str, object], Mapping[str, object]]) -> list[int]:
    """Lengths of a head that fit the shapes: what configurations claim, then the usual ones."""
    rows = [_length(pair, side) for pair in pairs.values() for side in (0, 1)]
    claimed: list[int] = []
    for config in configs:
        heads, width = config.get("num_attention_heads", config.get("n_head")), config.get("head_dim")
        if isinstance(width, int):
            claimed.append(width)
        elif isinstance(heads, int) and heads > 0 and "attn_out" in pairs:
            claimed.append(_length(pairs["attn_out"], 0) // heads)
    usual = [64, 128, 32, 96, 80, 24, 16, 48, 256, 8]
    fitting = [size for size in dict.fromkeys((*claimed, *usual)) if size > 1 and all(n % size == 0 for n in rows)]
    return fitting[: max(1, len(set(claimed) & set(fitting)))] if claimed else fitting[:4]


def _length(pair: Pair, side: int) -> int:
    part = (pair.a, pair.b)[side]
    return part.shape[part.axes.index("head")]


def find_turns(
    pairs: Mapping[str, Pair], a: Checkpoint, b: Checkpoint, size: int
) -> tuple[dict[str, Turn], float] | None:
    """The order and bases of B's heads in terms of A's, by role, and the share of the values that this explains.

    Parameters
    ----------
    pairs : mapping
        Counterparts of one pair of layers by role: q, k, v and the output, on one residual stream.
    a, b : Checkpoint
        Read whole.
    size : int
        Length of a head.
    """
    sides = [_matrices(pairs, a, 0), _matrices(pairs, b, 1)]
    if sides[0] is None or sides[1] is None:
        return None
    x, y = ({role: _blocks(matrix, size) for role, matrix in side.items()} for side in sides if side is not None)
    groups, heads = len(x["attn_k"]), len(x["attn_q"])
    if len(y["attn_k"]) != groups or len(y["attn_q"]) != heads or heads % groups:
        return None
    share = heads // groups
    overlap = _overlap(x["attn_v"], y["attn_v"]) + _overlap(x["attn_k"], y["attn_k"])
    group_of = _order(overlap / 2)
    if group_of is None:
        return None
    head_of = np.zeros(heads, np.int64)
    spans = (_overlap(x["attn_q"], y["attn_q"]) + _overlap(x["attn_out"], y["attn_out"])) / 2
    for group in range(groups):
        mine, theirs = np.arange(group * share, (group + 1) * share), np.arange(share) + group_of[group] * share
        order = _order(spans[np.ix_(mine, theirs)]) if share > 1 else np.zeros(1, np.int64)
        if order is None:
            return None
        head_of[mine] = theirs[order]
    orders = {"attn_v": group_of, "attn_k": group_of, "attn_q": head_of, "attn_out": head_of}
    turns: dict[str, Turn] = {}
    explained = 1.0
    for role, order in orders.items():
        members = len(order) // groups
        blocks = [
            _solved(
                np.concatenate([x[role][unit] for unit in range(group * members, (group + 1) * members)], axis=1),
                np.concatenate(
                    [y[role][order[unit]] for unit in range(group * members, (group + 1) * members)], axis=1
                ),
            )
            for group in range(groups)
        ]
        mixed = np.stack([blocks[unit // members] for unit in range(len(order))]).astype(np.float32)
        turn = Turn(size=size, order=order, blocks=mixed)
        turns[role], reached = _simplest(sides[0][role], sides[1][role], turn, members)
        explained = min(explained, reached)
    if FUSED in pairs:
        turns[FUSED] = _side_by_side([turns.pop(role) for role in ROLES[:3]])
    return turns, explained


def _simplest(x: Floats32, y: Floats32, mixed: Turn, members: int) -> tuple[Turn, float]:
    """Heads put in order and, only where that explains far more, in another basis; and what is explained.

    As many free numbers as a basis has fit their share of any change, such as training's.
    """
    plain = replace(mixed, blocks=np.broadcast_to(np.eye(mixed.size, dtype=np.float32), mixed.blocks.shape))
    ordered, turned = (_explained(x, turn.apply(y)) for turn in (plain, mixed))
    by_chance = min(1.0, mixed.size / (members * x.shape[1]))
    if 1.0 - turned > (1.0 - by_chance) / 2 * (1.0 - ordered):
        return plain, ordered
    return mixed, turned


def _side_by_side(turns: list[Turn]) -> Turn:
    """One turn for matrices that lie one after the other."""
    starts = np.cumsum([0, *(len(turn.order) for turn in turns)])
    return Turn(
        size=turns[0].size,
        order=np.concatenate([turn.order + start for turn, start in zip(turns, starts, strict=False)]),
        blocks=np.concatenate([turn.blocks for turn in turns]),
    )


def _matrices(pairs: Mapping[str, Pair], checkpoint: Checkpoint, side: int) -> dict[str, Floats32] | None:
    """Each matrix with head dimensions along axis 0."""
    found = {}
    for role in pairs:
        part = (pairs[role].a, pairs[role].b)[side]
        if len(part.shape) != 2 or prod(part.shape) * 2 > WHOLE or part.axes.count("head") != 1:
            return None
        try:
            values = widened(checkpoint.rows(part.name, 0, part.shape[0]))
        except CheckpointError:
            return None
        if not np.isfinite(values).all():
            return None
        found[role] = np.ascontiguousarray(values if part.axes.index("head") == 0 else values.T)
    if FUSED in found:
        fused = found.pop(FUSED)
        found |= dict(zip(ROLES, np.split(fused, 3), strict=False))
    return found if found.keys() == set(ROLES) else None


def _blocks(matrix: Floats32, size: int) -> list[Floats32]:
    return [matrix[start : start + size] for start in range(0, len(matrix), size)]


def _overlap(ours: list[Floats32], theirs: list[Floats32]) -> Floats:
    """Share of each block's row span that each block of the other side spans, in [0, 1]."""
    x, y = (_whitened(np.stack(side)) for side in (ours, theirs))
    size = x.shape[1]
    cosines = np.square(np.concatenate(list(x)) @ np.concatenate(list(y)).T)
    return np.asarray(cosines.reshape(len(x), size, len(y), size).sum(axis=(1, 3), dtype=np.float64) / size)


def _whitened(blocks: Floats32) -> Floats32:
    """An orthonormal basis of each block's row span; zero rows for what it does not span."""
    wide = blocks.astype(np.float64)
    sizes, vectors = np.linalg.eigh(wide @ wide.transpose(0, 2, 1))
    spanned = sizes > SINGULAR * sizes[:, -1:]
    scales = np.where(spanned, 1.0 / np.sqrt(np.where(spanned, sizes, 1.0)), 0.0)
    return np.asarray((vectors * scales[:, None, :]).transpose(0, 2, 1) @ wide, dtype=np.float32)


def _order(c: Floats) -> Ints | None:
    """The one-to-one order of best overlaps; None where some block has no counterpart."""
    rows, columns = mutual_matches(c - np.median(c)) if len(c) > 2 else (np.arange(len(c)), c.argmax(axis=1))
    if len(rows) < len(c):
        columns = c.argmax(axis=1)
    if len(np.unique(columns)) < len(c) or float(np.median(c[np.arange(len(c)), columns])) < SPANNED:
        return None
    return np.asarray(columns, dtype=np.int64)


def _solved(x: Floats32, y: Floats32) -> Floats:
    """The square matrix m that minimises `|x - m y|`."""
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    return np.asarray(np.linalg.lstsq(wide_y @ wide_y.T, wide_y @ wide_x.T, rcond=None)[0].T)


def _explained(x: Floats32, y: Floats32) -> float:
    """1 - |x - y|^2 / |x|^2."""
    return 1.0 - float(np.square(x - y).sum(dtype=np.float64)) / max(float(np.square(x).sum(dtype=np.float64)), 1e-30)
