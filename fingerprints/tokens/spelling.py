"""How the kinds of tokenizers spell tokens, and the bytes of text that a spelling stands for.

Byte-level BPE writes each byte as a printable character, sentencepiece a space as `▁` and single bytes as `<0x0A>`,
WordPiece marks what continues a word. In bytes, a word-initial `the` is `b" the"` in all of them.

References: https://github.com/openai/gpt-2/blob/master/src/encoder.py (`bytes_to_unicode`),
https://github.com/google/sentencepiece, https://arxiv.org/abs/1609.08144 (WordPiece).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Final

SPACE: Final = "\u2581"
CONTINUES: Final = "##"
_BYTE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Spelling(StrEnum):
    """What a kind of tokenizer writes for bytes and spaces."""

    BYTES = "bytes"
    SENTENCEPIECE = "sentencepiece"
    WORDPIECE = "wordpiece"
    PLAIN = "plain"


@cache
def alphabet() -> Mapping[str, int]:
    """The byte that each character of byte-level BPE stands for: printable ones for themselves, others from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


def guessed(tokens: Iterable[str]) -> Spelling:
    """The spelling of tokens of which nothing else is known: by their characters."""
    pieces = set(tokens)
    if alphabet().keys() <= pieces:
        return Spelling.BYTES
    if any(piece.startswith(CONTINUES) and len(piece) > len(CONTINUES) for piece in pieces) and "[UNK]" in pieces:
        return Spelling.WORDPIECE
    return Spelling.SENTENCEPIECE if any(piece.startswith(SPACE) for piece in pieces) else Spelling.PLAIN


def read(tokens: Mapping[int, str], spelling: Spelling, literal: Mapping[int, str] | None = None) -> dict[int, bytes]:
    """The text of each token.

    Parameters
    ----------
    tokens : mapping
        Tokens by id, as they are spelled.
    spelling : Spelling
        How.
    literal : mapping, optional
        Added and control tokens, which are written as they are; they stand in front of `tokens` of the same ids.

    Returns
    -------
    dict
        Bytes by id. A single byte of sentencepiece keeps its spelling where a token of the same text is there: both
        have a row of their own.
    """
    texts = {place: _text(token, spelling) for place, token in tokens.items()}
    for place, token in (literal or {}).items():
        texts[place] = _encoded(token.replace(SPACE, " ") if spelling is Spelling.SENTENCEPIECE else token)
    if spelling is Spelling.SENTENCEPIECE:
        present = set(texts.values())
        for place, token in tokens.items():
            match = _BYTE.fullmatch(token)
            if match and texts[place] == token.encode() and (byte := bytes.fromhex(match[1])) not in present:
                texts[place] = byte
    return texts


def _text(token: str, spelling: Spelling) -> bytes:
    if spelling is Spelling.BYTES:
        try:
            return bytes([alphabet()[character] for character in token])
        except KeyError:
            return _encoded(token)
    if spelling is Spelling.SENTENCEPIECE:
        return _encoded(token.replace(SPACE, " "))
    if spelling is Spelling.WORDPIECE and not (token.startswith("[") and token.endswith("]")):
        return _encoded(token.removeprefix(CONTINUES) if token.startswith(CONTINUES) else " " + token)
    return _encoded(token)


def _encoded(token: str) -> bytes:
    """UTF-8; a lone surrogate, which JSON can spell, as what it would be."""
    return token.encode("utf-8", "surrogatepass")
