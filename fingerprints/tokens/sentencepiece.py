"""`tokenizer.model` of sentencepiece: a protocol buffer whose first field repeats the pieces.

Schema: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

from __future__ import annotations

from typing import Final

from fingerprints.readers.onnx_wire import LENGTH, VARINT, Field, Wire
from fingerprints.readers.source import SourceFile
from fingerprints.tokens.spelling import Spelling, read
from fingerprints.tokens.tokenizer_json import HINT
from fingerprints.tokens.tokens import MOST_IDS, Tokens, by_id

_PIECE: Final = 1
_TEXT, _TYPE = 1, 3
_UNUSED: Final = 5


def parse(source: SourceFile, added: dict[int, str]) -> Tokens:
    """The pieces in the order of the file, and what was added.

    Raises
    ------
    CorruptCheckpoint
        When it is damaged or not what it is called.
    """
    wire = Wire(source, "sentencepiece model")
    tokens: dict[int, str] = {}
    count = 0
    for field in wire.fields(0, source.size):
        if field.number == _PIECE and field.wire == LENGTH:
            token = _piece(wire, field)
            if token is not None:
                tokens[count] = token
            count += 1
    if not 0 < count <= MOST_IDS:
        raise wire.corrupt(0, f"it has {count} pieces; between 1 and {MOST_IDS} are expected")
    return by_id(read(tokens, Spelling.SENTENCEPIECE, added), path=source.path, hint=HINT)


def _piece(wire: Wire, message: Field) -> str | None:
    """The text of a piece; None where it is not in use."""
    text, kind = "", 0
    for field in wire.fields(message.start, message.stop):
        if field.number == _TEXT:
            text = wire.text(field)
        elif field.number == _TYPE and field.wire == VARINT:
            kind = field.value
    return None if kind == _UNUSED else text
