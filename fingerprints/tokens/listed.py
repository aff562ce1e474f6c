"""Vocabularies without a description of the tokenizer: `vocab.json`, `vocab.txt`, and tiktoken's lines."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Final

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.quoting import quoted
from fingerprints.tokens.spelling import guessed, read
from fingerprints.tokens.tokenizer_json import HINT, is_id
from fingerprints.tokens.tokens import MOST_IDS, Tokens, by_id

LONGEST_LINE: Final = 1 << 12


def parse_json(data: bytes, path: Path, added: dict[int, str]) -> Tokens:
    """`vocab.json`: an object with the id of each token."""
    document = parse_object(data, path=path, what="the text", hint=HINT)
    tokens = {place: token for token, place in document.items() if is_id(place)}
    return by_id(read(tokens, guessed(tokens.values()), added), path=path, hint=HINT)


def parse_text(data: bytes, path: Path, added: dict[int, str]) -> Tokens:
    """`vocab.txt`: a token a line."""
    lines = _lines(data, path)
    tokens = {place: line.decode("utf-8", "replace") for place, line in enumerate(lines)}
    return by_id(read(tokens, guessed(tokens.values()), added), path=path, hint=HINT)


def parse_tiktoken(data: bytes, path: Path, added: dict[int, str]) -> Tokens:
    """Lines of a token's bytes in base64 and its rank, which is its id.

    Format: https://github.com/openai/tiktoken/blob/main/tiktoken/load.py
    """
    texts: dict[int, bytes] = {}
    for line in _lines(data, path):
        if line:
            code, _, rank = line.partition(b" ")
            try:
                texts[int(rank)] = base64.b64decode(code, validate=True)
            except (ValueError, binascii.Error):
                raise _odd(path, f"{quoted(line.decode('latin-1'), 40)} is no token and its rank") from None
    texts |= {place: token.encode("utf-8", "surrogatepass") for place, token in added.items()}
    return by_id(texts, path=path, hint=HINT)


def parse_added(data: bytes, path: Path) -> dict[int, str]:
    """`added_tokens.json`: an object with the id of each token that was added."""
    document = parse_object(data, path=path, what="the text", hint=HINT)
    return {place: token for token, place in document.items() if is_id(place)}


def _lines(data: bytes, path: Path) -> list[bytes]:
    if data.count(b"\n") > MOST_IDS:
        raise _odd(path, f"it has more than {MOST_IDS} lines")
    lines = [line.rstrip(b"\r") for line in data.removesuffix(b"\n").split(b"\n")]
    longest = max(map(len, lines))
    if longest > LONGEST_LINE:
        raise _odd(path, f"a line has {longest} bytes, more than {LONGEST_LINE}")
    return lines


def _odd(path: Path, reason: str) -> CorruptCheckpoint:
    return CorruptCheckpoint(f"{quoted(str(path))} is not a list of tokens: {reason}", path=path, hint=HINT)
