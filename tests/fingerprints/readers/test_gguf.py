"""GGUF files: names, metadata, the order of queries and keys, parts of a split, and files as large as real ones."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers import READERS, open_checkpoint, weight_sets
from fingerprints.readers.gguf_claims import claimed_config
from tests import ggufs
from tests.ggufs import array, entry, number, pair, raw, text

HEADS, KEY_HEADS, SIZE, WIDTH = 4, 2, 6, 64
GENERATOR = np.random.default_rng(0)
ATTENTION = {
    f"blk.{layer}.attn_{part}.weight": GENERATOR.standard_normal((heads * SIZE, WIDTH)).astype(np.float32)
    for layer in range(2)
    for part, heads in (("q", HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS))
}
COUNTS = {"attention.head_count": HEADS, "attention.head_count_kv": KEY_HEADS}


def permuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """What llama.cpp's converter does to queries and keys."""
    return rows.reshape(heads, 2, len(rows) // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def converted(name: str) -> np.ndarray:
    return ATTENTION[name] if "_v" in name else permuted(ATTENTION[name], HEADS if "_q" in name else KEY_HEADS)


def llama(path: Path, keys: dict[str, object], architecture: str = "llama", scheme: str = "F32") -> Path:
    return ggufs.write(path, architecture, {name: (converted(name), scheme) for name in ATTENTION}, keys)


@pytest.mark.parametrize("scheme", ["F32", "Q8_0"])
@pytest.mark.parametrize("keys", [COUNTS, {"attention.head_count": [HEADS] * 2, "attention.head_count_kv": [2, 2]}])
def test_queries_and_keys_come_in_the_order_of_transformers(
    tmp_path: Path, scheme: str, keys: dict[str, object]
) -> None:
    with open_checkpoint(llama(tmp_path / "model.gguf", keys, scheme=scheme)) as checkpoint:
        assert checkpoint.origin.findings == ()
        for name, original in ATTENTION.items():
            kind = gguf.GGMLQuantizationType[scheme]
            expected = gguf.dequantize(gguf.quantize(original, kind), kind)
            np.testing.assert_array_equal(checkpoint.rows(name, 0, len(original)), expected)
            np.testing.assert_array_equal(checkpoint.take(name, [1, 4, 11]), expected[[1, 4, 11]])
            np.testing.assert_array_equal(np.concatenate(list(checkpoint.blocks(name, 1000))), expected.ravel())


def test_one_row_costs_one_row(tmp_path: Path) -> None:
    with open_checkpoint(llama(tmp_path / "model.gguf", COUNTS)) as checkpoint:
        checkpoint.take("blk.0.attn_q.weight", [1, 7])
        assert checkpoint.bytes_read == 2 * WIDTH * 4


@pytest.mark.parametrize("architecture", ["qwen2", "gemma2", "phi3", "llama4", "afmoe"])
def test_other_architectures_keep_their_order(tmp_path: Path, architecture: str) -> None:
    with open_checkpoint(llama(tmp_path / "model.gguf", COUNTS, architecture)) as checkpoint:
        for name in ATTENTION:
            np.testing.assert_array_equal(checkpoint.rows(name, 0, 12), converted(name)[:12])


@pytest.mark.parametrize("keys", [{}, {"attention.head_count": 5}, {"attention.head_count": "four"}])
def test_an_order_that_is_not_known_is_reported(tmp_path: Path, keys: dict[str, object]) -> None:
    with open_checkpoint(llama(tmp_path / "model.gguf", keys)) as checkpoint:
        (finding,) = checkpoint.origin.findings
        assert (finding.code, finding.subject) == ("rotary-order-unknown", "model.gguf")
        assert "4 of 6 tensors, such as 'blk.0.attn_q.weight'" in finding.message
        np.testing.assert_array_equal(
            checkpoint.rows("blk.0.attn_q.weight", 0, 2), converted("blk.0.attn_q.weight")[:2]
        )


def test_metadata_is_text_and_vocabularies_are_counted(tmp_path: Path) -> None:
    keys = [
        pair("general.architecture", ggufs.STRING, text("llama")),
        pair("general.name", ggufs.STRING, text(b"n\xff")),
        number("llama.block_count", 32),
        pair("llama.rope.freq_base", ggufs.F32, struct.pack("<f", 1e-5)),
        pair("general.flag", ggufs.BOOL, b"\1"),
        pair("general.tags", ggufs.ARRAY, array(ggufs.STRING, 2, text("a") + text("b"))),
        pair("llama.heads", ggufs.ARRAY, array(ggufs.I16, 3, struct.pack("<3h", 1, -2, 3))),
        pair("tokenizer.ggml.tokens", ggufs.ARRAY, array(ggufs.STRING, 40, text("token") * 40)),
        pair("tokenizer.ggml.scores", ggufs.ARRAY, array(ggufs.F32, 2000, bytes(8000))),
        pair("tokenizer.chat_template", ggufs.STRING, text("x" * 70_000)),
    ]
    path = tmp_path / "model.gguf"
    path.write_bytes(raw(keys, [entry(shape=(1, 2))], np.float32([3, 4]).tobytes()))
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.origin.format == "gguf"
        assert dict(checkpoint.origin.metadata) == {
            "general.architecture": "llama",
            "general.name": "n\ufffd",
            "llama.block_count": "32",
            "llama.rope.freq_base": "1e-05",
            "general.flag": "True",
            "general.tags": "a, b",
            "llama.heads": "1, -2, 3",
            "tokenizer.ggml.tokens": "(40 strings)",
            "tokenizer.ggml.scores": "(2000 numbers)",
            "tokenizer.chat_template": "(70000 bytes)",
        }
        assert checkpoint.tensors["w"].shape == (1, 2)
        assert checkpoint.rows("w", 0, 1).tolist() == [[3, 4]]


def test_claims_go_by_the_names_of_config_json(tmp_path: Path) -> None:
    keys = {**COUNTS, "block_count": 2, "feed_forward_length": [5, 6], "embedding_length": "wide"}
    with open_checkpoint(llama(tmp_path / "model.gguf", keys)) as checkpoint:
        claims = claimed_config(checkpoint.origin.metadata)
    assert claims == {"num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS, "num_hidden_layers": 2}
    named = {"general.architecture": "x", "general.name": "N", "x.rope.freq_base": "1e-05", "x.vocab_size": "7"}
    origin = {"general.base_model.0.name": "B", "llama.block_count": "3"}
    assert claimed_config({**named, **origin}) == {
        "_name_or_path": "N",
        "rope_theta": 1e-05,
        "vocab_size": 7,
        "base_model": "B",
    }
    assert claimed_config({"format": "pt"}) == {}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [1, 64, 4096])
def test_versions_and_alignments(tmp_path: Path, version: int, alignment: int) -> None:
    path = tmp_path / "model.gguf"
    keys = [number("general.alignment", alignment)]
    path.write_bytes(raw(keys, [entry()], np.float32([5, 6]).tobytes(), version=version, alignment=alignment))
    assert open_checkpoint(path).rows("w", 0, 2).tolist() == [5, 6]


def test_shapes_are_those_of_the_library(tmp_path: Path) -> None:
    original = GENERATOR.standard_normal((2, 3, 32)).astype(np.float32)
    path = ggufs.write(tmp_path / "model.gguf", "qwen3moe", {"blk.0.ffn_gate_exps.weight": (original, "F16")})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.tensors["blk.0.ffn_gate_exps.weight"].shape == (2, 3, 32)
        np.testing.assert_array_equal(checkpoint.rows("blk.0.ffn_gate_exps.weight", 1, 2), original[1:].astype("f2"))


def split(folder: Path, at: int, count: int = 3, name: str | None = None, empty: bool = False) -> Path:
    keys = [
        pair("split.no", ggufs.U16, struct.pack("<H", at)),
        pair("split.count", ggufs.U16, struct.pack("<H", count)),
    ]
    if at == 0:
        keys += [pair("general.architecture", ggufs.STRING, text("llama"))]
        keys += [number(f"llama.{key}", value) for key, value in COUNTS.items()]
    part = "qkv"[at]
    values = converted(f"blk.0.attn_{part}.weight")
    entries = [] if empty else [entry(f"blk.0.attn_{part}.weight", values.shape)]
    path = folder / (name or f"model-{at + 1:05}-of-{count:05}.gguf")
    path.write_bytes(raw(keys, entries, b"" if empty else values.tobytes()))
    return path


def test_parts_of_a_split_are_put_together(tmp_path: Path) -> None:
    for at in range(3):
        split(tmp_path, at)
    (known,) = weight_sets(tmp_path)
    assert (known.format, len(known.files), known.readable) == ("gguf", 3, True)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.origin.findings == ()
        assert checkpoint.origin.metadata["general.architecture"] == "llama"
        for part in "qkv":
            name = f"blk.0.attn_{part}.weight"
            np.testing.assert_array_equal(checkpoint.rows(name, 0, 12), ATTENTION[name][:12])


def test_the_first_part_may_hold_no_tensor(tmp_path: Path) -> None:
    split(tmp_path, 0, empty=True)
    for at in (1, 2):
        split(tmp_path, at)
    with open_checkpoint(tmp_path) as checkpoint:
        name = "blk.0.attn_k.weight"
        np.testing.assert_array_equal(checkpoint.rows(name, 0, 12), ATTENTION[name])
        assert len(checkpoint.tensors) == 2


def test_a_missing_part_is_an_error(tmp_path: Path) -> None:
    split(tmp_path, 0)
    split(tmp_path, 2)
    with pytest.raises(CorruptCheckpoint, match="2 of 3 shards"):
        open_checkpoint(tmp_path)


def test_a_part_under_another_number_is_an_error(tmp_path: Path) -> None:
    split(tmp_path, 0)
    split(tmp_path, 2, name="model-00002-of-00003.gguf")
    split(tmp_path, 1, name="model-00003-of-00003.gguf")
    with pytest.raises(CorruptCheckpoint, match="is part 2 of 3 by its name, and part 3 of 3 by its metadata"):
        open_checkpoint(tmp_path)


def test_a_part_with_a_name_of_its_own_is_reported(tmp_path: Path) -> None:
    path = split(tmp_path, 0, name="renamed.gguf")
    (finding,) = open_checkpoint(path).origin.findings
    assert (finding.code, finding.subject) == ("split-part", "renamed.gguf")
    assert "part 1 of 3" in finding.message


def test_a_part_without_the_first_one_keeps_its_order_and_says_nothing_false(tmp_path: Path) -> None:
    path = split(tmp_path, 1)
    with open_checkpoint(path) as checkpoint:
        name = "blk.0.attn_k.weight"
        np.testing.assert_array_equal(checkpoint.rows(name, 0, 12), converted(name))


def test_forty_gigabytes_open_at_once(tmp_path: Path) -> None:
    """One row is read of a sparse file with the vocabulary of a large model and 2,000 tensors."""
    words = text("token") * 256_000
    keys = [
        pair("tokenizer.ggml.tokens", ggufs.ARRAY, array(ggufs.STRING, 256_000, words)),
        pair("tokenizer.ggml.merges", ggufs.ARRAY, array(ggufs.STRING, 256_000, words)),
        pair("tokenizer.ggml.scores", ggufs.ARRAY, array(ggufs.F32, 256_000, bytes(1_024_000))),
    ]
    step = 8192 // 256 * 144 * 4352
    entries = [entry(f"blk.{at}.ffn_up.weight", (4352, 8192), 12, at * step) for at in range(2000)]
    path = tmp_path / "model.gguf"
    header = raw(keys, entries)
    path.write_bytes(header)
    os.truncate(path, len(header) + 2000 * step)
    assert path.stat().st_size > 40e9
    start = time.perf_counter()
    with open_checkpoint(path) as checkpoint:
        taken = checkpoint.take("blk.1999.ffn_up.weight", [0, 4000])
        assert time.perf_counter() - start < 2
        assert checkpoint.bytes_read == 2 * 8192 // 256 * 144
    tracemalloc.start()
    open_checkpoint(path).close()
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    assert taken.shape == (2, 8192)


def test_a_quantised_set_is_listed_beside_others(tmp_path: Path) -> None:
    llama(tmp_path / "model-Q8_0.gguf", COUNTS, scheme="Q8_0")
    llama(tmp_path / "other.bin", COUNTS)
    assert [(known.format, known.readable) for known in weight_sets(tmp_path)] == [("gguf", True)] * 2
    assert "gguf" in {reader.format for reader in READERS if reader.readable}
