"""The documents that a result can become, one line each; where a format has several versions, the first is meant."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from fingerprints.errors import UsageError
from provenance.identification.result import Identification
from provenance.reports import cyclonedx, in_toto, json, markdown, sarif
from provenance.reports.encoder import Encoder
from provenance.reports.html import comparison, identification, scan
from provenance.result import Result
from provenance.scan.overview import Overview

ENCODERS: tuple[Encoder, ...] = (
    *(
        Encoder(format="json", version="1", suffix=".json", document=each, encode=json.encode_document)
        for each in get_args(json.Document)
    ),
    Encoder(format="html", version="1", suffix=".html", document=Result, encode=comparison.encode),
    Encoder(format="html", version="1", suffix=".html", document=Identification, encode=identification.encode),
    Encoder(format="html", version="1", suffix=".html", document=Overview, encode=scan.encode),
    Encoder(format="markdown", version="1", suffix=".md", document=Result, encode=markdown.encode),
    Encoder(
        format="cyclonedx",
        version="1.6",
        suffix=".cdx.json",
        document=Result,
        encode=cyclonedx.encode_1_6,
        check=cyclonedx.check,
    ),
    Encoder(
        format="cyclonedx",
        version="1.7",
        suffix="",
        document=Result,
        encode=cyclonedx.encode_1_7,
        check=cyclonedx.check,
    ),
    Encoder(format="sarif", version="2.1.0", suffix=".sarif", document=Result, encode=sarif.encode),
    Encoder(format="in-toto", version="1", suffix=".intoto.json", document=Result, encode=in_toto.encode),
)


def find_encoder(name: str, document: type) -> Encoder:
    """The encoder that `NAME` or `NAME@VERSION` asks for.

    Raises
    ------
    UsageError
        When there is none for this type of result, or its library is not installed.
    """
    wanted, _, version = name.partition("@")
    for encoder in ENCODERS:
        if encoder.document is document and encoder.format == wanted and version in ("", encoder.version):
            encoder.check()
            return encoder
    known = ", ".join(f"{each.format}@{each.version}" for each in ENCODERS if each.document is document)
    raise UsageError(f"no format {name!a} for this result", hint=f"known formats: {known}")


def encoder_of(path: Path, document: type) -> Encoder | None:
    """The encoder whose suffix, the longest of those that fit, `path` has; None where there is none.

    Raises
    ------
    UsageError
        When its library is not installed.
    """
    fitting = [each for each in ENCODERS if each.document is document and _has_suffix(path, each.suffix)]
    if not fitting:
        return None
    encoder = max(fitting, key=lambda each: len(each.suffix))
    encoder.check()
    return encoder


def _has_suffix(path: Path, suffix: str) -> bool:
    return bool(suffix) and path.name.endswith(suffix) and path.name != suffix
