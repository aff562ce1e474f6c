"""What of a checkpoint counts: learned tensors, each once.

Constants and tables are evidence of nothing; tied and duplicate copies are counted once. Decided by content, from a
few rows of one tensor of each template.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

import numpy as np

from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.learned import why_not_learned
from fingerprints.sampling import Ints, units
from fingerprints.values import widened

ROWS = 64
_INDICES = {"I64", "U64", "BOOL"}
Sample = Callable[[Part], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Names of a checkpoint's tensors by what they count for.

    Attributes
    ----------
    learned : mapping
        Learned tensors, each counted once, with their number of elements.
    set_aside : mapping
        Tensors that were not learned, with the reason.
    copies : mapping
        Tensors that repeat another one of the same checkpoint, with the name of that one.
    unreadable : mapping
        Tensors that could not be read, with the reason.
    """

    learned: Mapping[str, int]
    set_aside: Mapping[str, str]
    copies: Mapping[str, str]
    unreadable: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """Number of learned elements."""
        return sum(self.learned.values())


def spread_rows(length: int) -> Ints:
    """64 rows of a matrix of so many, evenly spread."""
    return units(length, ROWS)


def take_inventory(
    anatomy: Anatomy,
    checkpoint: Checkpoint,
    *,
    rows: Callable[[int], Ints] = spread_rows,
    among: Set[str] = frozenset(),
) -> Inventory:
    """Sort a checkpoint's tensors into learned ones, copies, and what counts for nothing.

    Parameters
    ----------
    anatomy, checkpoint
        The checkpoint; some rows of a few tensors of each template are read.
    rows : callable
        Which of so many rows are read.
    among : set of str
        Tensors by which a template is judged, where it has any of them.
    """
    sample = partial(_sample, checkpoint=checkpoint, rows=rows)
    set_aside: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for parts in anatomy.by_template.values():
        reason, failed = _judge([part for part in parts if part.name in among] or parts, sample)
        unreadable |= failed
        if reason:
            set_aside |= {part.name: reason for part in parts if part.name not in failed}
    copies = dict(_copies(anatomy, sample, set_aside.keys() | unreadable.keys()))
    learned = {
        name: part.info.size
        for name, part in anatomy.parts.items()
        if name not in set_aside and name not in unreadable and name not in copies
    }
    return Inventory(learned=learned, set_aside=set_aside, copies=copies, unreadable=unreadable)


def unread_inventory(anatomy: Anatomy) -> Inventory:
    """Sort a checkpoint's tensors as far as names, types and places tell, without reading any."""
    set_aside = {
        part.name: reason
        for parts in anatomy.by_template.values()
        for part in parts
        if (reason := _evident(part) or ("it is empty" if part.info.size == 0 else None))
    }
    seen: dict[str, str] = {}
    copies: dict[str, str] = {}
    for name, part in anatomy.parts.items():
        place = part.info.storage
        if name not in set_aside and place is not None and (first := seen.setdefault(place, name)) != name:
            copies[name] = first
    left_out = set_aside.keys() | copies.keys()
    learned = {name: part.info.size for name, part in anatomy.parts.items() if name not in left_out}
    return Inventory(learned=learned, set_aside=set_aside, copies=copies, unreadable={})


def _evident(part: Part) -> str | None:
    """Why a tensor is not learned, where its name or type says so."""
    if part.kind is PartKind.STATISTIC:
        return "it is a running statistic, not a parameter"
    if part.info.dtype in _INDICES:
        return "it holds indices or flags, not weights"
    return None


def _judge(parts: Sequence[Part], sample: Sample) -> tuple[str | None, dict[str, str]]:
    """Why a template's tensors are not learned; None when one of the first, middle and last is."""
    failed: dict[str, str] = {}
    reason: str | None = None
    for part in dict.fromkeys((parts[len(parts) // 2], parts[0], parts[-1])):
        if (evident := _evident(part)) is not None:
            return evident, failed
        if part.info.size == 0:
            reason = "it is empty"
            continue
        try:
            reason = why_not_learned(sample(part))
        except CheckpointError as error:
            failed[part.name] = error.message
            continue
        if reason is None:
            return None, failed
    return reason, failed


def _sample(part: Part, checkpoint: Checkpoint, rows: Callable[[int], Ints]) -> np.ndarray:
    if not part.shape:
        return widened(checkpoint.rows(part.name, 0, 1)).reshape(-1)
    if len(part.shape) == 1:
        return widened(checkpoint.rows(part.name, 0, min(part.shape[0], 1 << 16)))
    return widened(checkpoint.take(part.name, rows(part.shape[0])))


def _copies(anatomy: Anatomy, sample: Sample, ignored: set[str]) -> Iterator[tuple[str, str]]:
    """Tensors stored at one place, and output layers that repeat the embedding."""
    first_at: dict[str, str] = {}
    originals_first = sorted(anatomy.parts.items(), key=lambda item: item[1].role == "output")
    for name, part in originals_first:
        storage = part.info.storage
        if name in ignored or storage is None:
            continue
        if storage in first_at and anatomy.parts[first_at[storage]].shape == part.shape:
            yield name, first_at[storage]
        else:
            first_at.setdefault(storage, name)
    tables: dict[tuple[int, ...], list[Part]] = defaultdict(list)
    for _, part in originals_first:
        if part.name not in ignored and len(part.shape) == 2 and part.kind is not PartKind.OTHER and not part.index:
            tables[part.shape].append(part)
    for parts in tables.values():
        originals = parts[:1]
        for other in parts[1:]:
            found = next((one for one in originals if _same(one, other, sample)), None)
            if found is None:
                originals.append(other)
            elif other.info.storage is None:
                yield other.name, found.name


def _same(one: Part, other: Part, sample: Sample) -> bool:
    if one.info.dtype != other.info.dtype:
        return False
    try:
        return bool(np.array_equal(sample(one), sample(other)))
    except CheckpointError:
        return False
