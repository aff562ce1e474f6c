"""Views read what the arrays that they stand for hold, in rows, in parts and in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.row_map import RowMap, block, side_by_side
from fingerprints.layouts.views import Added, Flattened, Moved, OneOfStack, PartOfRows, Scaled, Turned, View, seen_as
from tests.in_memory import InMemory

RNG = np.random.default_rng(5)
MATRIX = RNG.standard_normal((12, 5)).astype(np.float32)
STACK = RNG.standard_normal((3, 4, 6)).astype(np.float32)
FILTERS = RNG.standard_normal((3, 2, 5, 7)).astype(np.float32)
LENGTHS = np.abs(RNG.standard_normal((12, 1))).astype(np.float32)


def every_view() -> dict[str, tuple[View, Array]]:
    """Each view, and what it must look like."""
    inner = stored()
    every_other = RowMap(start=1, count=3, run=1, stride=2)
    merged = (
        LENGTHS.astype(np.float64) * MATRIX / np.linalg.norm(MATRIX.astype(np.float64), axis=1, keepdims=True)
    ).astype(np.float32)
    _, keys, _ = side_by_side(6, (4, 1, 1), 2)
    cases = {
        "block": (lambda info: PartOfRows(info=info, source="matrix", rows=block(3, 7)), "matrix", MATRIX[3:10]),
        "groups": (lambda info: PartOfRows(info=info, source="matrix", rows=keys), "matrix", MATRIX[[4, 10]]),
        "turned block": (
            lambda info: PartOfRows(info=info, source="matrix", rows=block(3, 7), turned=True),
            "matrix",
            MATRIX[3:10].T,
        ),
        "turned": (
            lambda info: Turned(info=info, source="matrix", folded=MATRIX.shape, order=(1, 0)),
            "matrix",
            MATRIX.T,
        ),
        "moved": (
            lambda info: Moved(info=info, source="filters", order=(0, 3, 1, 2)),
            "filters",
            FILTERS.transpose(0, 3, 1, 2),
        ),
        "flattened": (lambda info: Flattened(info=info, source="matrix"), "matrix", MATRIX.reshape(-1)),
        "added": (lambda info: Added(info=info, terms=("matrix", "matrix")), "matrix", MATRIX + MATRIX),
        "filters": (
            lambda info: Turned(info=info, source="filters", folded=FILTERS.shape, order=(3, 2, 0, 1)),
            "filters",
            FILTERS.transpose(3, 2, 0, 1),
        ),
        "expert": (lambda info: OneOfStack(info=info, source="stack", place=1, rows=block(0, 4)), "stack", STACK[1]),
        "turned expert": (
            lambda info: OneOfStack(info=info, source="stack", place=2, rows=every_other, turned=True),
            "stack",
            STACK[2].T[1::2],
        ),
        "merged": (lambda info: Scaled(info=info, direction="matrix", length="lengths"), "matrix", merged),
    }
    return {
        name: (make(seen_as(inner.tensors[source], name, values.shape, name)), values)
        for name, (make, source, values) in cases.items()
    }


def stored() -> InMemory:
    return InMemory({"matrix": MATRIX, "stack": STACK, "filters": FILTERS, "lengths": LENGTHS, "other": MATRIX[:2]})


@pytest.mark.parametrize("name", list(every_view()))
def test_a_view_reads_rows_parts_and_blocks(name: str) -> None:
    view, values = every_view()[name]
    relaid = RelaidCheckpoint(stored(), {"matrix", "stack", "filters", "lengths"}, {name: view})
    assert isinstance(relaid, Checkpoint)
    assert list(relaid.tensors) == ["other", name]
    assert relaid.tensors[name].shape == values.shape
    assert relaid.tensors[name].nbytes == values.nbytes
    assert np.array_equal(relaid.rows(name, 0, len(values)), values)
    assert np.array_equal(relaid.rows(name, 1, 2), values[1:2])
    assert np.array_equal(relaid.take(name, [0, len(values) - 1]), values[[0, -1]])
    assert relaid.take(name, []).shape == (0, *values.shape[1:])
    assert relaid.rows(name, 0, 1).flags.c_contiguous
    blocks = list(relaid.blocks(name, max_bytes=7 * 4))
    assert [len(block) for block in blocks[:-1]] == [7] * (len(blocks) - 1)
    assert np.array_equal(np.concatenate(blocks), values.ravel())
    assert np.array_equal(relaid.rows("other", 0, 2), MATRIX[:2])


def test_blocks_do_not_depend_on_how_much_is_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprints.layouts.relaid_checkpoint.RUN_BYTES", 64)
    view, values = every_view()["turned"]
    blocks = list(RelaidCheckpoint(stored(), ["matrix"], {"turned": view}).blocks("turned", max_bytes=28))
    assert [len(block) for block in blocks] == [7] * 8 + [4]
    assert np.array_equal(np.concatenate(blocks), values.ravel())


def test_rows_that_do_not_exist_are_refused() -> None:
    view, values = every_view()["block"]
    relaid = RelaidCheckpoint(stored(), ["matrix"], {"block": view})
    for wanted in ([len(values)], [-1], [2, 1], [1, 1]):
        with pytest.raises(IndexError):
            relaid.take("block", wanted)
    with pytest.raises(IndexError):
        relaid.rows("block", 0, len(values) + 1)


def test_a_part_of_rows_reads_no_other_rows() -> None:
    inner = stored()
    view, _ = every_view()["groups"]
    RelaidCheckpoint(inner, ["matrix"], {"groups": view}).take("groups", [1])
    assert inner.taken == [("matrix", (10,))]


def test_tied_tensors_stay_tied_part_by_part() -> None:
    inner = InMemory({"x": MATRIX, "y": MATRIX}, storage={"x": "one", "y": "one"})
    one, other, rest = (
        seen_as(inner.tensors[name], "part", (3, 5), label) for name, label in (("x", "0"), ("y", "0"), ("x", "1"))
    )
    assert one.storage == other.storage != rest.storage
