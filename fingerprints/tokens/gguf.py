"""The tokens in the metadata of a GGUF file.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (`tokenizer.ggml.*`)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from fingerprints.readers.gguf_cursor import HINT, Cursor
from fingerprints.readers.gguf_header import read_header
from fingerprints.readers.gguf_values import Value, read_value
from fingerprints.readers.source import SourceFile
from fingerprints.tokens.spelling import Spelling, guessed, read
from fingerprints.tokens.tokens import MOST_IDS, Tokens, by_id

_TOKENS: Final = "tokenizer.ggml.tokens"
_TYPES: Final = "tokenizer.ggml.token_type"
_MODEL: Final = "tokenizer.ggml.model"
_SPELLINGS: Final[Mapping[str, Spelling]] = {
    "gpt2": Spelling.BYTES,
    "llama": Spelling.SENTENCEPIECE,
    "t5": Spelling.SENTENCEPIECE,
    "bert": Spelling.SENTENCEPIECE,
    "rwkv": Spelling.PLAIN,
}
"""By llama.cpp's name of the tokenizer; its converter marks the words of WordPiece with sentencepiece's space."""
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5
_INT32: Final = 5
_STRING, _ARRAY = 8, 9


class _Keeper:
    """Reads metadata as `read_value` does, and keeps the lists of tokens and of their types."""

    def __init__(self) -> None:
        self.tokens: list[bytes] = []
        self.types: Sequence[int] = ()

    def __call__(self, cursor: Cursor, key: str) -> Value:
        begin = cursor.at
        if key in (_TOKENS, _TYPES) and cursor.number(4, key) == _ARRAY:
            inner, count = cursor.number(4, key), cursor.number(8, key)
            if key == _TOKENS and inner == _STRING and count <= MOST_IDS:
                self.tokens = cursor.strings(count, key)
                return f"({count} strings)"
            if key == _TYPES and inner == _INT32 and count <= MOST_IDS:
                self.types = struct.unpack(f"<{count}i", cursor.take(4 * count, key))
                return f"({count} numbers)"
        cursor.at = begin
        return read_value(cursor, key)


def parse(source: SourceFile) -> Tokens | None:
    """The tokens that a file lists; None if it lists none.

    Raises
    ------
    CorruptCheckpoint
        When its header is damaged.
    """
    keeper = _Keeper()
    header = read_header(source, keeper)
    if not keeper.tokens:
        return None
    tokens = {place: token.decode("utf-8", "replace") for place, token in enumerate(keeper.tokens)}
    kinds = dict(enumerate(keeper.types[: len(tokens)]))
    spelling = _SPELLINGS.get(str(header.metadata.get(_MODEL))) or guessed(tokens.values())
    literal = {place: tokens[place] for place, kind in kinds.items() if kind in (_CONTROL, _USER_DEFINED)}
    used = {place: token for place, token in tokens.items() if kinds.get(place) != _UNUSED}
    return by_id(read(used, spelling, literal), path=source.path, hint=HINT)
