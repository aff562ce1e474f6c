"""`tokenizer.json` of the tokenizers library: BPE, WordPiece, Unigram and WordLevel, with added tokens.

Format: https://huggingface.co/docs/tokenizers
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.json_members import members
from fingerprints.readers.quoting import quoted
from fingerprints.tokens.spelling import SPACE, Spelling, read
from fingerprints.tokens.tokens import Tokens, by_id

HINT: Final = "download the tokenizer again"
MAX_STEPS: Final = 1 << 20
"""Bytes of a description of how text is cut, such as a table of characters, that is looked into."""
_STEPS: Final = (b"normalizer", b"pre_tokenizer", b"decoder")


def parse(data: bytes, path: Path) -> Tokens:
    """The tokens of a `tokenizer.json`.

    Raises
    ------
    CorruptCheckpoint
        When it is damaged or not what it is called.
    """
    top = members(data, path=path, hint=HINT)
    if b"model" not in top:
        raise CorruptCheckpoint(f"{quoted(str(path))} describes no tokenizer: it has no `model`", path=path, hint=HINT)
    model = members(data, path=path, hint=HINT, start=top[b"model"].start)
    settings = {key: _value(data, model[key], path) for key in (b"type", b"vocab") if key in model}
    vocabulary = settings.get(b"vocab")
    if isinstance(vocabulary, dict):
        tokens = {place: token for token, place in vocabulary.items() if is_id(place)}
    elif isinstance(vocabulary, list):
        pieces = [piece[0] if isinstance(piece, list) and piece else None for piece in vocabulary]
        tokens = {place: piece for place, piece in enumerate(pieces) if isinstance(piece, str)}
    else:
        raise CorruptCheckpoint(f"{quoted(str(path))} lists no tokens", path=path, hint=HINT)
    steps = [_value(data, top[key], path) for key in _STEPS if key in top and _length(top[key]) <= MAX_STEPS]
    added = _value(data, top[b"added_tokens"], path) if b"added_tokens" in top else []
    return by_id(read(tokens, _spelling(settings.get(b"type"), steps), _literal(added)), path=path, hint=HINT)


def is_id(value: object) -> bool:
    """Whether a JSON value can be an id."""
    return isinstance(value, int) and not isinstance(value, bool)


def _value(data: bytes, at: slice, path: Path) -> Any:
    return parse_object(b'{"v":' + data[at] + b"}", path=path, what="the text", hint=HINT, offset=at.start)["v"]


def _length(at: slice) -> int:
    return int(at.stop) - int(at.start)


def _literal(added: object) -> dict[int, str]:
    entries = [entry for entry in added if isinstance(entry, Mapping)] if isinstance(added, list) else []
    return {
        entry["id"]: entry["content"]
        for entry in entries
        if is_id(entry.get("id")) and isinstance(entry.get("content"), str)
    }


def _spelling(kind: object, steps: list[Any]) -> Spelling:
    """By the kind of model, and for BPE by what comes before and after it."""
    if kind == "WordPiece":
        return Spelling.WORDPIECE
    if any(_mentions(step, "ByteLevel") for step in steps):
        return Spelling.BYTES
    spaced = kind == "Unigram" or any(_mentions(step, "Metaspace") or _mentions(step, SPACE) for step in steps)
    return Spelling.SENTENCEPIECE if spaced else Spelling.PLAIN


def _mentions(step: object, word: str) -> bool:
    """Whether a string in a nested value is `word`."""
    waiting = [step]
    while waiting:
        each = waiting.pop()
        if each == word:
            return True
        if isinstance(each, Mapping):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return False
