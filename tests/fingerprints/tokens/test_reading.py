"""Tokens as the libraries that made the files know them, in every kind of file that lists them."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from fingerprints.checkpoint import Origin
from fingerprints.tokens import Tokens, read_tokens

TEXT = ["the quick brown fox jumps over the lazy dog", "naïve café, überall 你好", "then there were these others"] * 20
ADDED = "<|added|>"


def found(place: Path, *, shards: tuple[str, ...] = ("w",), container: str = "safetensors") -> Tokens:
    tokens, findings = read_tokens(Origin(reference="x", path=place, format=container, shards=shards))
    assert findings == ()
    assert tokens is not None
    return tokens


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.add_tokens([ADDED, AddedToken("two words", normalized=False)])
    return tokenizer


@pytest.fixture(scope="module")
def pieces() -> bytes:
    """A sentencepiece model with bytes, a control and a user-defined symbol."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_writer=model,
        vocab_size=330,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        user_defined_symbols=["<mine>"],
        minloglevel=2,
    )
    return model.getvalue()


def test_byte_level_tokens_are_what_they_decode_to(tmp_path: Path) -> None:
    tokenizer = byte_level()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    tokens = found(tmp_path)
    assert len(tokens.texts) == tokenizer.get_vocab_size()
    assert b" the" in tokens.ids
    for place, text in enumerate(tokens.texts):
        assert text is not None
        assert text.decode("utf-8", "replace") == tokenizer.decode([place])


def test_vocab_json_and_added_tokens_say_the_same(tmp_path: Path) -> None:
    tokenizer = byte_level()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    whole = found(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.json").write_text(json.dumps(tokenizer.get_vocab(with_added_tokens=False)))
    every = tokenizer.get_vocab()
    added = {token: place for token, place in every.items() if place >= len(every) - 2}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    assert found(tmp_path).texts == whole.texts


def test_sentencepiece_agrees_with_its_own_library(tmp_path: Path, pieces: bytes) -> None:
    (tmp_path / "tokenizer.model").write_bytes(pieces)
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    tokens = found(tmp_path)
    assert len(tokens.texts) == processor.get_piece_size()
    ordinary = set()
    for place, text in enumerate(tokens.texts):
        piece = processor.id_to_piece(place)
        if not processor.is_byte(place):
            assert text == piece.replace("▁", " ").encode()
            ordinary.add(text)
    for place, text in enumerate(tokens.texts):
        if processor.is_byte(place):
            byte = bytes.fromhex(processor.id_to_piece(place)[3:5])
            assert text == (processor.id_to_piece(place).encode() if byte in ordinary else byte)
    assert len(tokens.ids) == len(tokens.texts)


def metaspace(pieces: bytes) -> Tokenizer:
    """The same pieces as the tokenizers library has them for Llama."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    size = processor.get_piece_size()
    tokenizer = Tokenizer(
        models.BPE({processor.id_to_piece(n): n for n in range(size)}, [], byte_fallback=True, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def write_gguf(path: Path, kind: str, tokens: list[str], types: list[int]) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_one_tokenizer_is_the_same_in_three_files(tmp_path: Path, pieces: bytes) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    (tmp_path / "tokenizer.model").write_bytes(pieces)
    original = found(tmp_path)
    other = tmp_path / "json"
    other.mkdir()
    metaspace(pieces).save(str(other / "tokenizer.json"))
    assert found(other).texts == original.texts
    size = processor.get_piece_size()
    types = [
        6 if processor.is_byte(n) else 3 if processor.is_control(n) else 2 if processor.is_unknown(n) else 1
        for n in range(size)
    ]
    write_gguf(tmp_path / "m.gguf", "llama", [processor.id_to_piece(n) for n in range(size)], types)
    read = found(tmp_path / "m.gguf", shards=("m.gguf",), container="gguf")
    assert read.source == "m.gguf"
    assert read.texts == original.texts


def test_gguf_of_byte_level_tokens_equals_tokenizer_json(tmp_path: Path) -> None:
    tokenizer = byte_level()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    names = [str(tokenizer.id_to_token(n)) for n in range(size)]
    types = [1] * (size - 2) + [4, 4]
    write_gguf(tmp_path / "m.gguf", "gpt2", [*names, "[PAD0]"], [*types, 5])
    assert found(tmp_path / "m.gguf", shards=("m.gguf",), container="gguf").texts == found(tmp_path).texts


def test_words_of_wordpiece_are_those_of_the_others(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=["[UNK]", "[CLS]"], show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    whole = found(tmp_path)
    assert {b"[UNK]", b"[CLS]", b" the"} <= whole.ids.keys()
    place = next(n for token, n in tokenizer.get_vocab().items() if token.startswith("##"))
    assert whole.texts[place] == tokenizer.id_to_token(place)[2:].encode()
    (tmp_path / "tokenizer.json").unlink()
    names = [str(tokenizer.id_to_token(n)) for n in range(tokenizer.get_vocab_size())]
    (tmp_path / "vocab.txt").write_text("\n".join(names) + "\n")
    assert found(tmp_path).texts == whole.texts
    assert len(whole.ids.keys() & found_byte_level(tmp_path / "bytes").ids.keys()) > 20


def found_byte_level(folder: Path) -> Tokens:
    folder.mkdir()
    byte_level().save(str(folder / "tokenizer.json"))
    return found(folder)


def test_unigram_lists_pieces_and_scores(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁the", -1.0), ("n", -2.0)], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert found(tmp_path).texts == (b"<unk>", b" the", b"n")


def test_tiktoken_lines_are_bytes(tmp_path: Path) -> None:
    texts = [bytes([n]) for n in range(256)] + [b" the", "ü".encode()]
    lines = "".join(f"{base64.b64encode(text).decode()} {rank}\n" for rank, text in enumerate(texts))
    (tmp_path / "tokenizer.model").write_text(lines)
    assert found(tmp_path).texts == tuple(texts)


BROKEN = {
    "not JSON": ("tokenizer.json", b"{"),
    "a list": ("tokenizer.json", b"[1, 2]"),
    "no model": ("tokenizer.json", b'{"version": "1.0"}'),
    "no vocabulary": ("tokenizer.json", b'{"model": {"type": "BPE"}}'),
    "a huge id": ("tokenizer.json", b'{"model": {"vocab": {"a": 99999999999}}}'),
    "a negative id": ("tokenizer.json", b'{"model": {"vocab": {"a": -1}}}'),
    "an open string": ("tokenizer.json", b'{"model": {"vocab": {"a": 1, "b'),
    "brackets without end": ("tokenizer.json", b'{"model": {"merges": ' + b"[" * 5000),
    "a link elsewhere": ("tokenizer.json", None),
    "base64 of nothing": ("tokenizer.model", b"!!!! 1\n"),
    "a rank that is none": ("tokenizer.model", b"IQ== one\n"),
    "pieces cut short": ("tokenizer.model", b"\n\x7fabc"),
    "a list of ids": ("vocab.json", b"[1, 2]"),
    "a line as long as a file": ("vocab.txt", b"x" * 10000),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_a_finding(tmp_path: Path, case: str) -> None:
    name, data = BROKEN[case]
    folder = tmp_path / "model"
    folder.mkdir()
    if data is None:
        byte_level().save(str(tmp_path / "elsewhere.json"))
        (folder / name).symlink_to(tmp_path / "elsewhere.json")
    else:
        (folder / name).write_bytes(data)
    tokens, findings = read_tokens(Origin(reference="x", path=folder, format="safetensors", shards=("w",)))
    assert tokens is None
    assert [(each.code, each.subject) for each in findings] == [("tokens-unreadable", name)]


def test_the_next_file_stands_in_for_a_broken_one(tmp_path: Path, pieces: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b"{")
    (tmp_path / "tokenizer.model").write_bytes(pieces)
    tokens, findings = read_tokens(Origin(reference="x", path=tmp_path, format="safetensors", shards=("w",)))
    assert tokens is not None
    assert tokens.source == "tokenizer.model"
    assert len(findings) == 1


def test_every_cut_of_a_tokenizer_is_a_finding(tmp_path: Path) -> None:
    byte_level().save(str(tmp_path / "whole.json"))
    whole = (tmp_path / "whole.json").read_bytes().rstrip()
    for cut in range(0, len(whole), max(1, len(whole) // 97)):
        (tmp_path / "tokenizer.json").write_bytes(whole[:cut])
        tokens, findings = read_tokens(Origin(reference="x", path=tmp_path, format="safetensors", shards=("w",)))
        assert tokens is None, cut
        assert len(findings) == 1


def test_every_cut_of_pieces_is_a_finding_or_their_beginning(tmp_path: Path, pieces: bytes) -> None:
    (tmp_path / "tokenizer.model").write_bytes(pieces)
    whole = found(tmp_path).texts
    for cut in range(0, 2000, 17):
        (tmp_path / "tokenizer.model").write_bytes(pieces[:cut])
        tokens, findings = read_tokens(Origin(reference="x", path=tmp_path, format="safetensors", shards=("w",)))
        if tokens is None:
            assert len(findings) == 1
        else:
            assert 0 < len(tokens.texts) < len(whole)
