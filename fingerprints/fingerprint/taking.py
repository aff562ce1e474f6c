"""Take the fingerprint of a checkpoint: headers, some rows of some layers, digests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from fingerprints.anatomy import Anatomy, Part, PartKind, build_anatomy
from fingerprints.axes import AxisPlan, plan_axes
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.fingerprint.digests import SAMPLED, WHOLE, value_digests
from fingerprints.fingerprint.fingerprint import SPREAD, AxisPrint, Fingerprint, Seen, VectorPrint
from fingerprints.fingerprint.grade import Grade
from fingerprints.fingerprint.projection import WIDTH, project
from fingerprints.gains import GainBook
from fingerprints.inventory import take_inventory
from fingerprints.learned import starts_as_waves, why_not_learned
from fingerprints.ordering import order_of
from fingerprints.pairing import Pair, PairBasis
from fingerprints.samples import LONGEST_VECTOR, PairSample, SampleSettings, axis_features, has_diagonal, take_units
from fingerprints.sampling import block, units
from fingerprints.selection import select
from fingerprints.signals.tensor_digest import BLOCK
from fingerprints.values import widened
from fingerprints.wiring import is_position_table

LAYERS = 10
SCAN_LAYERS = 3
ROWS = 96
ENTRIES = 512
SPARSE = 0.02
_READS_NORM = ("ffn_gate", "ffn_up", "ffn_gate_up")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What one tensor gave."""

    seen: Seen
    axes: tuple[AxisPrint, ...] = ()
    vector: VectorPrint | None = None


def take_fingerprint(
    checkpoint: Checkpoint,
    *,
    whole: bool,
    grade: Grade = Grade.FULL,
    claims: Mapping[str, Any] | None = None,
    advance: Callable[[int], None] = lambda steps: None,
) -> Fingerprint:
    """Take a fingerprint; memory is bounded by one tensor's sample.

    Parameters
    ----------
    checkpoint : Checkpoint
        Read at 96 rows of each matrix of some layers, and at their gains and biases.
    whole : bool
        Read everything once, for digests of all values.
    grade : Grade
        How many layers are read; three at `SCAN`, which are among the ten.
    claims : mapping, optional
        Plain data to keep beside the evidence.
    advance : callable
        Told how many tensors are done.
    """
    anatomy = build_anatomy(checkpoint)
    pairs = [Pair(a=part, b=part, basis=PairBasis.NAME) for part in anatomy.parts.values()]
    plans = plan_axes(pairs, anatomy, anatomy)
    closed = {pair.a.name: AxisPlan(tests=()) for pair in pairs}
    chosen, _ = select(pairs, closed, LAYERS)
    fewest, _ = select(chosen, closed, SCAN_LAYERS)
    among = {pair.a.name for pair in fewest}
    # What was learned is told by tensors and rows that every grade reads anyway.
    inventory = take_inventory(anatomy, checkpoint, rows=partial(block, count=ROWS), among=among)
    chosen = fewest if grade is Grade.SCAN else chosen
    sampled = {pair.a.name for pair in chosen if pair.a.name in inventory.learned}
    gains = GainBook(anatomy, checkpoint)
    seen: dict[str, Seen] = {}
    axes: list[AxisPrint] = []
    vectors: list[VectorPrint] = []
    with threadpool_limits(limits=1):
        for name in sorted(anatomy.parts):
            advance(1)
            part = anatomy.parts[name]
            try:
                taken = (
                    _take(part, plans.get(name), anatomy, checkpoint, gains) if name in sampled else _Taken(seen=Seen())
                )
                digests = value_digests(checkpoint.blocks(name, BLOCK), WHOLE) if whole and part.info.size else b""
            except CheckpointError:
                continue
            if name in sampled or digests:
                seen[name] = _with_whole(taken.seen, digests)
            axes += taken.axes
            if taken.vector is not None:
                vectors.append(taken.vector)
    return Fingerprint(
        tensors={name: checkpoint.tensors[name] for name in sorted(checkpoint.tensors)},
        inventory=inventory,
        seen=seen,
        axes=tuple(axes),
        vectors=tuple(vectors),
        method=method_of(grade),
        claims=dict(claims or {}),
    )


def method_of(grade: Grade) -> str:
    """How fingerprints of a grade are taken."""
    layers = SCAN_LAYERS if grade is Grade.SCAN else LAYERS
    return f"fingerprint/v1?layers={layers}&rows={ROWS}&entries={ENTRIES}&signs={WIDTH}"


def _with_whole(seen: Seen, digests: bytes) -> Seen:
    return Seen(
        sampled=seen.sampled,
        digests=seen.digests,
        whole=digests,
        not_learned=seen.not_learned,
        sparse=seen.sparse,
        waves=seen.waves,
    )


def _take(part: Part, plan: AxisPlan | None, anatomy: Anatomy, checkpoint: Checkpoint, gains: GainBook) -> _Taken:
    """One tensor's sample: a vector's entries, or a matrix' units."""
    if part.info.size == 0 or part.info.dtype.startswith("C"):
        return _Taken(seen=Seen())
    if plan is None:
        return _of_vector(part, checkpoint)
    own = next((test.gates for test in plan.tests if test.axis == 0), 1)
    rows = block(part.shape[0] // own, ROWS)
    raw, wide = take_units(checkpoint, part, rows, own)
    reason = why_not_learned(widened(raw)) or ""
    waves = is_position_table(part) and starts_as_waves(wide.reshape(own * len(rows), -1))
    seen = Seen(
        sampled=int(raw.size),
        digests=value_digests([raw], SAMPLED),
        not_learned=reason,
        sparse=bool(np.mean(widened(raw) == 0) >= SPARSE),
        waves=waves,
    )
    if reason:
        return _Taken(seen=seen)
    pair = Pair(a=part, b=part, basis=PairBasis.NAME)
    diagonal = bool(plan.tests) and has_diagonal(wide, rows)
    sample = PairSample(pair=pair, plan=plan, rows=rows, raw_a=raw, raw_b=raw, a=wide, b=wide, diagonal=diagonal)
    return _Taken(seen=seen, axes=tuple(_prints(sample, gains)))


def _prints(sample: PairSample, gains: GainBook) -> list[AxisPrint]:
    part = sample.pair.a
    found = []
    for test in sample.plan.tests:
        reads = part.role in _READS_NORM and test.kind == "neuron"
        fold = (gains.gain_before, gains.gain_before) if reads else None
        positions, x, _ = axis_features(sample, test, SampleSettings(rows=ROWS), fold)
        if not x.size:
            continue
        values, norms = project(x)
        rest = "x".join(map(str, part.shape[2:])) or "1"
        faced = f"columns {part.shape[1]}" if test.axis == 0 else f"rows {sample.rows[0]}-{sample.rows[-1]}"
        halved = " of the other half" if test.faces_rest or sample.diagonal else ""
        found.append(
            AxisPrint(
                name=part.name,
                axis=test.axis,
                positions=positions,
                faced=f"{faced}{halved}, kernel {rest}, gates {test.gates}",
                order=order_of(x, positions),
                folded=reads and gains.gain_before(part) is not None,
                values=values,
                norms=norms,
            )
        )
    return found


def _of_vector(part: Part, checkpoint: Checkpoint) -> _Taken:
    raw = checkpoint.rows(part.name, 0, min(part.shape[0], LONGEST_VECTOR) if part.shape else 1)
    wide = widened(raw).reshape(-1)
    reason = why_not_learned(widened(raw)) or ""
    seen = Seen(sampled=int(raw.size), digests=value_digests([raw], SAMPLED), not_learned=reason)
    if reason or len(part.shape) != 1 or part.kind is PartKind.STATISTIC or not np.isfinite(wide).all():
        return _Taken(seen=seen)
    positions = units(len(wide), ENTRIES)
    places = np.round(np.linspace(0, len(wide) - 1, SPREAD)).astype(np.int64)
    both = half(np.concatenate([wide[positions], np.sort(wide)[places]]))
    vector = VectorPrint(name=part.name, positions=positions, values=both[:-SPREAD], spread=both[-SPREAD:])
    return _Taken(seen=seen, vector=vector)


def half(values: np.ndarray) -> np.ndarray:
    """Values rounded to half precision of their largest magnitude, as they are stored."""
    scale = np.float32(np.abs(values).max(initial=0.0)) or np.float32(1)
    return np.asarray((values / scale).astype(np.float16).astype(np.float32) * scale, dtype=np.float32)
