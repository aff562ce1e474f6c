"""What became of a vocabulary: rows in place, moved, new and gone; names believed only as far as rows bear them out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fingerprints.alignment.token_tables import COLUMNS
from fingerprints.alignment.vocabulary_match import MapBasis, VocabularyMatch, match_vocabulary
from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint, Origin
from fingerprints.pairing import pair_parts
from fingerprints.sampling import Half, units
from tests.checkpoints import llama_shapes
from tests.in_memory import InMemory, empty, gaussian

SIZES = {"layers": 1, "hidden": 96, "mlp": 128, "heads": 4, "kv_heads": 2}
ROWS = 400
WORDS = [f"w{place}" for place in range(600)]
TABLES = ("model.embed_tokens.weight", "lm_head.weight")


class Beside(InMemory):
    """Arrays, and a folder with what lies beside them."""

    folder = Path("memory")

    @property
    def origin(self) -> Origin:
        return replace(super().origin, path=self.folder)


def checkpoint(seed: int = 0, rows: int = ROWS, order: Sequence[int] | None = None, noise: float = 0.0) -> Beside:
    values = gaussian(llama_shapes(vocabulary=rows, **SIZES), seed)
    for name in TABLES:
        values[name] = values[name] if order is None else values[name][np.asarray(order)]
        values[name] = values[name] + noise * np.random.default_rng(9).standard_normal(values[name].shape, np.float32)
    return Beside(values)


def called(beside: Beside, folder: Path, words: Sequence[str]) -> Beside:
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    beside.folder = folder
    return beside


def matched(a: Checkpoint, b: Checkpoint) -> VocabularyMatch:
    found = match_vocabulary(pair_parts(build_anatomy(a), build_anatomy(b)), a, b)
    assert found is not None
    return found


def test_equal_vocabularies_are_whole_and_no_names_are_asked(tmp_path: Path) -> None:
    a, b = checkpoint(), called(checkpoint(noise=0.002), tmp_path / "b", WORDS[:ROWS][::-1])
    found = matched(a, b)
    assert found.whole
    assert (found.basis, found.added, found.removed) == (MapBasis.POSITION, 0, 0)
    assert found.findings == ((), ())


def test_rows_at_the_end_are_added_in_one_direction_and_removed_in_the_other() -> None:
    values = checkpoint().arrays
    longer = {n: np.concatenate([v, v[:64] * 0 + 0.01]) if n in TABLES else v for n, v in values.items()}
    small, large = checkpoint(noise=0.002), Beside(longer)
    there, back = matched(small, large), matched(large, small)
    assert (there.added, there.removed, there.kept) == (64, 0, ROWS)
    assert (back.added, back.removed, back.kept) == (0, 64, ROWS)
    assert not there.whole


def test_rows_without_a_token_are_not_added_ones(tmp_path: Path) -> None:
    values = checkpoint().arrays
    padded = {n: np.concatenate([v, v[:64] * 0]) if n in TABLES else v for n, v in values.items()}
    found = matched(checkpoint(), called(Beside(padded), tmp_path / "b", WORDS[: ROWS + 2]))
    assert found.added == 2


@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_moved_rows_are_found_by_content(noise: float) -> None:
    order = np.random.default_rng(3).permutation(ROWS)[:300]
    found = matched(checkpoint(), checkpoint(order=order, noise=noise))
    assert found.basis is MapBasis.CONTENT
    assert found.searched
    assert (order[found.rows.b] == found.rows.a).all()
    assert (found.kept, found.added, found.removed) == (300, 0, 100)


def test_moved_rows_whose_names_moved_along_are_found_without_a_search(tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(ROWS)
    a = called(checkpoint(), tmp_path / "a", WORDS[:ROWS])
    found = matched(a, called(checkpoint(order=order), tmp_path / "b", [WORDS[old] for old in order]))
    assert (found.basis, found.searched, found.kept) == (MapBasis.NAME, False, ROWS)
    assert (order[found.rows.b] == found.rows.a).all()


def test_content_decides_against_names(tmp_path: Path) -> None:
    """Rows were permuted, and the tokenizer was left as it was."""
    order = np.random.default_rng(3).permutation(ROWS)
    a = called(checkpoint(), tmp_path / "a", WORDS[:ROWS])
    found = matched(a, called(checkpoint(order=order), tmp_path / "b", WORDS[:ROWS]))
    assert found.basis is MapBasis.CONTENT
    assert (order[found.rows.b] == found.rows.a).all()
    assert [each.code for each in found.findings[1]] == ["tokens-contradict-weights"]


def test_names_that_moved_alone_are_a_finding_and_no_more(tmp_path: Path) -> None:
    a = called(checkpoint(), tmp_path / "a", WORDS[:ROWS])
    longer = {n: np.concatenate([v, v[:9]]) if n in TABLES else v for n, v in checkpoint().arrays.items()}
    found = matched(a, called(Beside(longer), tmp_path / "b", WORDS[: ROWS + 9][::-1]))
    assert found.basis is MapBasis.POSITION
    assert [each.code for each in found.findings[1]] == ["tokens-contradict-weights"]


def test_strangers_meet_by_name_alone(tmp_path: Path) -> None:
    a = called(checkpoint(), tmp_path / "a", WORDS[:ROWS])
    b = called(checkpoint(seed=1, rows=300), tmp_path / "b", WORDS[100:400][::-1])
    found = matched(a, b)
    assert (found.basis, found.kept, found.added, found.removed) == (MapBasis.NAME, 300, 0, 100)
    assert np.abs(found.agreement).max() < 0.5


def test_strangers_without_names_have_no_map() -> None:
    a, b = checkpoint(), checkpoint(seed=1, rows=300)
    assert match_vocabulary(pair_parts(build_anatomy(a), build_anatomy(b)), a, b) is None


def test_a_broken_tokenizer_is_a_finding(tmp_path: Path) -> None:
    b = called(checkpoint(order=list(range(ROWS))[::-1]), tmp_path / "b", ())
    (tmp_path / "b" / "vocab.json").write_text("{")
    found = matched(checkpoint(), b)
    assert found.basis is MapBasis.CONTENT
    assert [each.code for each in found.findings[1]] == ["tokens-unreadable"]


def test_views_show_the_common_tokens_in_the_order_of_the_first() -> None:
    order = np.random.default_rng(3).permutation(ROWS)[:300]
    a, b = checkpoint(), checkpoint(order=order)
    pairing = pair_parts(build_anatomy(a), build_anatomy(b))
    found = match_vocabulary(pairing, a, b)
    assert found is not None
    seen_a, seen_b, seen = found.aligned(pairing)
    a.taken.clear()
    for name in TABLES:
        assert seen_a.tensors[name].shape == seen_b.tensors[name].shape == (300, 96)
        np.testing.assert_array_equal(seen_a.take(name, [3, 5, 299]), seen_b.take(name, [3, 5, 299]))
        np.testing.assert_array_equal(np.concatenate(list(seen_b.blocks(name))), seen_a.rows(name, 0, 300).ravel())
    assert len(a.taken[0][1]) == 3
    assert {pair.a.shape for pair in seen.pairs if pair.a.name in TABLES} == {(300, 96)}
    body = {name for name in a.tensors if name not in TABLES}
    assert all(seen_a.tensors[name] is a.tensors[name] for name in body)


def test_a_search_sees_no_dimension_that_is_tested_after_it() -> None:
    for width in (64, 96, 768, 4096):
        searched = units(width, COLUMNS, half=Half.SEARCH)
        assert not np.isin(searched, units(width, width, half=Half.TEST)).any()


def test_large_tables_are_looked_at_in_part() -> None:
    """Half a million rows of 4096: nothing is searched, and of no side more than some rows are read."""
    a, b = (empty(llama_shapes(vocabulary=rows, **{**SIZES, "hidden": 4096})) for rows in (500_000, 500_064))
    found = matched(a, b)
    assert found.added == 64
    assert max(len(rows) for _, rows in (*a.taken, *b.taken)) < 3000


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_probe_tells_whether_moved_rows_are_worth_a_search(share: float) -> None:
    """20,000 rows, of which a share came from the other table in an order of their own."""
    rows = 20_000
    a, other = checkpoint(rows=rows), checkpoint(seed=1, rows=rows)
    kept = np.random.default_rng(4).permutation(rows)[: int(share * rows)]
    b = checkpoint(seed=2, rows=rows)
    for name in TABLES:
        b.arrays[name] = np.concatenate([a.arrays[name][kept], other.arrays[name]])[:rows]
    found = matched(a, b)
    assert found.basis is MapBasis.CONTENT
    assert found.kept == len(kept)


def test_tables_of_strangers_are_read_in_part() -> None:
    rows = 20_000
    a, b = checkpoint(rows=rows), checkpoint(seed=1, rows=rows)
    assert matched(a, b).basis is MapBasis.POSITION
    assert max(sum(len(each) for name, each in side.taken if name == TABLES[0]) for side in (a, b)) < rows / 4
