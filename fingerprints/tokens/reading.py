"""The tokens of a checkpoint, from its metadata or from the files beside the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from fingerprints.checkpoint import Finding, Origin
from fingerprints.errors import CheckpointError, LimitExceeded
from fingerprints.readers.containment import require_inside
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile
from fingerprints.tokens import gguf, listed, sentencepiece, tokenizer_json
from fingerprints.tokens.tokens import Tokens

MAX_FILE: Final = 100_000_000
"""Bytes of the largest file that is read; published tokenizers have up to 35 MB."""
ADDED: Final = "added_tokens.json"

Parse = Callable[[SourceFile, dict[int, str]], Tokens | None]


def read_tokens(origin: Origin) -> tuple[Tokens | None, tuple[Finding, ...]]:
    """The tokens of a checkpoint, and what was wrong with the files that list them.

    Parameters
    ----------
    origin : Origin
        Where the checkpoint comes from.

    Returns
    -------
    tokens : Tokens or None
        From the first file that can be used; None where no file lists any.
    findings : tuple of Finding
        One for each file that is there and cannot be used.
    """
    folder = origin.path if origin.path.is_dir() else origin.path.parent
    findings: list[Finding] = []
    added = _read(folder, ADDED, _added, {}, findings) or {}
    files = FILES if origin.format != "gguf" else ((origin.shards[0], _from_metadata), *FILES)
    for name, parse in files:
        tokens = _read(folder, name, parse, added, findings)
        if tokens is not None:
            return tokens, tuple(findings)
    return None, tuple(findings)


_Read = TypeVar("_Read")


def _read(
    folder: Path,
    name: str,
    parse: Callable[[SourceFile, dict[int, str]], _Read],
    added: dict[int, str],
    findings: list[Finding],
) -> _Read | None:
    """What a file says; None, and a finding if it is there, where it cannot be used."""
    try:
        if not (folder / name).is_symlink() and not (folder / name).is_file():
            return None
    except OSError:
        return None
    try:
        source = SourceFile(require_inside(folder, name))
        try:
            return parse(source, added)
        finally:
            source.close()
    except CheckpointError as error:
        findings.append(Finding(code="tokens-unreadable", subject=name, message=error.message))
        return None


def _whole(source: SourceFile) -> bytes:
    if source.size > MAX_FILE:
        raise LimitExceeded(
            f"{quoted(str(source.path))} has {source.size} bytes, more than {MAX_FILE}",
            path=source.path,
            hint=tokenizer_json.HINT,
            limit=MAX_FILE,
            actual=source.size,
        )
    return source.read(0, source.size)


def _added(source: SourceFile, _: dict[int, str]) -> dict[int, str]:
    return listed.parse_added(_whole(source), source.path)


def _from_metadata(source: SourceFile, _: dict[int, str]) -> Tokens | None:
    return gguf.parse(source)


def _tokenizer_json(source: SourceFile, _: dict[int, str]) -> Tokens:
    return tokenizer_json.parse(_whole(source), source.path)


def _tokenizer_model(source: SourceFile, added: dict[int, str]) -> Tokens:
    """Sentencepiece's protocol buffer begins with a tag that no line of base64 begins with."""
    if source.read(0, min(1, source.size)) == b"\n":
        return sentencepiece.parse(source, added)
    return listed.parse_tiktoken(_whole(source), source.path, added)


def _vocab_json(source: SourceFile, added: dict[int, str]) -> Tokens:
    return listed.parse_json(_whole(source), source.path, added)


def _vocab_txt(source: SourceFile, added: dict[int, str]) -> Tokens:
    return listed.parse_text(_whole(source), source.path, added)


FILES: Final[tuple[tuple[str, Parse], ...]] = (
    ("tokenizer.json", _tokenizer_json),
    ("tokenizer.model", _tokenizer_model),
    ("vocab.json", _vocab_json),
    ("vocab.txt", _vocab_txt),
)
"""The files that list tokens, the one that says most first."""
