"""A trained model with another vocabulary is still that model; a stranger stays one, whatever its tokens are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from bench.zoo import tokenizer
from bench.zoo.derivatives import vocabulary
from provenance import Relation, Result, compare

BASES = Path(__file__).parents[2] / "bench" / "data" / "bases"
TABLES = ("model.embed_tokens.weight", "lm_head.weight")
SIZE = tokenizer.VOCABULARY

Change = Callable[[torch.Tensor], torch.Tensor]


def variant(target: Path, change: Change | None = None, base: str = "llama-0") -> Path:
    """A base with its tables changed."""
    target.mkdir()
    tensors = load_file(BASES / base / "model.safetensors")
    for name in TABLES if change else ():
        tensors[name] = change(tensors[name]).contiguous()
    save_file(tensors, target / "model.safetensors")
    return target


def with_tokenizer(folder: Path, order: list[int] | None = None) -> Path:
    """The zoo's tokenizer beside it, with the tokens of `order` alone, in that order."""
    content = json.loads(tokenizer.FILE.read_text())
    if order is not None:
        ids = {old: new for new, old in enumerate(order)}
        vocab = {token: ids[old] for token, old in content["model"]["vocab"].items() if old in ids}
        content["model"] = {"type": "BPE", "vocab": vocab, "merges": []}
        content["added_tokens"] = [{**t, "id": ids[t["id"]]} for t in content["added_tokens"] if t["id"] in ids]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    if order is not None:
        assert Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size() == len(order)
    return folder


def change_in(result: Result) -> dict[str, int] | None:
    return next((dict(k.parameters) for k in result.verdict.kinds if k.kind == "vocabulary_change"), None)


def order_of(count: int = SIZE) -> list[int]:
    return np.random.default_rng(1).permutation(SIZE)[:count].tolist()


def test_a_trimmed_vocabulary(tmp_path: Path) -> None:
    vocabulary.trimmed([BASES / "llama-0"], tmp_path / "trimmed")
    there = compare(BASES / "llama-0", tmp_path / "trimmed")
    assert there.verdict.relation is Relation.DERIVED
    assert change_in(there) == {"added": 0, "removed": SIZE - vocabulary.KEPT, "reinitialised": 0}
    assert there.verdict.coverage.b == 1.0
    assert "another vocabulary" in there.verdict.summary
    sizes = {size.dimension: (size.a, size.b) for size in there.architecture.sizes}
    assert sizes["vocabulary"] == (SIZE, vocabulary.KEPT)
    back = compare(tmp_path / "trimmed", BASES / "llama-0")
    assert change_in(back) == {"added": SIZE - vocabulary.KEPT, "removed": 0, "reinitialised": 0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "counts"), [(vocabulary.extended, (vocabulary.ADDED, 0, 0)), (vocabulary.retrained, (0, 0, SIZE))]
)
def test_a_vocabulary_that_was_trained(tmp_path: Path, make: Callable, counts: tuple[int, int, int]) -> None:
    make([BASES / "llama-0"], tmp_path / "child")
    result = compare(BASES / "llama-0", tmp_path / "child")
    assert result.verdict.relation is Relation.DERIVED
    assert change_in(result) == dict(zip(("added", "removed", "reinitialised"), counts, strict=True))


def test_some_rows_drawn_anew(tmp_path: Path) -> None:
    new = torch.tensor(order_of(100))

    def drawn(table: torch.Tensor) -> torch.Tensor:
        table[new] = torch.randn(100, table.shape[1], generator=torch.Generator().manual_seed(2)).to(table) * 0.02
        return table

    result = compare(BASES / "llama-0", variant(tmp_path / "b", drawn))
    assert result.verdict.relation is Relation.DERIVED
    assert change_in(result) == {"added": 0, "removed": 0, "reinitialised": 100}


@pytest.mark.parametrize("renamed", [True, False])
def test_permuted_ids_add_and_remove_nothing(tmp_path: Path, renamed: bool) -> None:
    """Whether the tokenizer says so or not; every tensor is then found equal, and the models are not identical."""
    order = order_of()
    a = with_tokenizer(variant(tmp_path / "a"))
    b = with_tokenizer(variant(tmp_path / "b", lambda table: table[order]), order if renamed else None)
    result = compare(a, b)
    assert result.verdict.relation is Relation.DERIVED
    assert result.verdict.coverage.a == result.verdict.coverage.b == 1.0
    assert change_in(result) is None
    contradicted = [each.code for each in result.b.findings if each.code.startswith("tokens")]
    assert contradicted == ([] if renamed else ["tokens-contradict-weights"])


@pytest.mark.parametrize("base", ["llama-1", "llama-2"])
@pytest.mark.parametrize("case", ["same tokenizer", "other order", "fewer tokens", "no tokenizer"])
def test_strangers_stay_independent(tmp_path: Path, base: str, case: str) -> None:
    order = {"same tokenizer": None, "other order": order_of(), "fewer tokens": order_of(300), "no tokenizer": None}[
        case
    ]
    change = None if order is None else (lambda table: table[order])
    a, b = variant(tmp_path / "a"), variant(tmp_path / "b", change, base)
    if case != "no tokenizer":
        a, b = with_tokenizer(a), with_tokenizer(b, order)
    result = compare(a, b)
    assert result.verdict.relation is Relation.INDEPENDENT
    assert result.verdict.kinds == ()


def test_an_embedding_beside_other_layers_is_not_drawn_anew(tmp_path: Path) -> None:
    """Half of the layers are another model's: so is the embedding."""
    tensors = load_file(BASES / "llama-1" / "model.safetensors")
    parent = load_file(BASES / "llama-0" / "model.safetensors")
    layers = 1 + max(int(name.split(".")[2]) for name in parent if name.startswith("model.layers."))
    shared = tuple(f"model.layers.{layer}." for layer in range((layers + 1) // 2))
    tensors |= {name: value for name, value in parent.items() if name.startswith(shared)}
    (tmp_path / "b").mkdir()
    save_file(tensors, tmp_path / "b" / "model.safetensors")
    result = compare(BASES / "llama-0", tmp_path / "b")
    assert result.verdict.relation is Relation.DERIVED
    assert change_in(result) is None


def test_rows_that_training_moved_by_any_distance_are_not_new(tmp_path: Path) -> None:
    """Some end up far away, and others everywhere on the way there."""
    random = torch.Generator().manual_seed(3)

    def moved(table: torch.Tensor) -> torch.Tensor:
        values = table.float()
        cosines = torch.linspace(0.2, 1, SIZE)[:, None]
        noise = torch.randn(values.shape, generator=random) * values.std(dim=1, keepdim=True)
        return (cosines * values + (1 - cosines**2).sqrt() * noise).to(table.dtype)

    result = compare(BASES / "llama-0", variant(tmp_path / "b", moved))
    assert result.verdict.relation is Relation.DERIVED
    assert change_in(result) is None


def test_a_broken_tokenizer_is_reported_and_no_error(tmp_path: Path) -> None:
    a = variant(tmp_path / "a")
    b = variant(tmp_path / "b", lambda table: table[: SIZE - 12])
    (b / "tokenizer.json").write_bytes(b'{"model": ' + b"[" * 100_000)
    result = compare(a, b)
    assert change_in(result) == {"added": 0, "removed": 12, "reinitialised": 0}
    assert "tokens-unreadable" in {each.code for each in result.b.findings}
