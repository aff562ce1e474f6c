r"""Results as JSON: the stable document that scripts read.

The text is pure ASCII: whatever a file put into a name arrives as a `\u` escape, so a document can be printed on any
terminal and stored in any encoding. A number that is not finite is refused everywhere but in claims, which repeat what
metadata says and spell it out as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from fingerprints.errors import UsageError
from provenance.decoding import DECODERS, from_json
from provenance.decomposition.result import Decomposition
from provenance.fingerprinting import FingerprintSummary
from provenance.identification.result import Identification
from provenance.inspection import Inspection
from provenance.library.building import Building
from provenance.library.entry import Entry
from provenance.library.listing import Listing, Transfer, Verification
from provenance.reports.encoder import Presentation
from provenance.result import Result, to_json

Document = (
    Result
    | Inspection
    | Decomposition
    | FingerprintSummary
    | Identification
    | Entry
    | Listing
    | Verification
    | Transfer
    | Building
)
"""Everything that commands print."""


def encode(document: Document) -> str:
    """`document` as JSON text, indented, with a final newline.

    Raises
    ------
    ValueError
        When a measured number is not finite: what could not be measured has to say so instead.
    """
    plain = to_json(document)
    if "claims" in plain:
        plain["claims"] = _tame(plain["claims"])
    plain = {"schema_version": plain.pop("schema_version"), **plain}
    return json.dumps(plain, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def encode_document(document: Document, presentation: Presentation) -> str:
    """`encode`, as a format among others; JSON says everything, whatever a reader wants."""
    return encode(document)


def decode(text: str) -> dict[str, Any]:
    """The object in `text`, for which `json.loads(encode(x)) == decode(encode(x))`.

    Raises
    ------
    UsageError
        When `text` is not JSON, not a result, or a result of another schema.
    """
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not a JSON document: {error}", hint="give the file that `-o NAME.json` wrote") from error
    if not isinstance(plain, dict) or "schema_version" not in plain:
        raise UsageError("the JSON document is not a result: it has no schema_version", hint="give an unchanged result")
    version = plain["schema_version"]
    if isinstance(version, bool) or not isinstance(version, int) or version not in DECODERS:
        raise UsageError(
            f"the result has schema_version {version!a:.100}, and this version reads {', '.join(map(str, DECODERS))}",
            hint="run the comparison again with this version",
        )
    return plain


def read_result(text: str) -> Result:
    """The comparison that was written down as `text`, by this version or an earlier one.

    Raises
    ------
    UsageError
        When `text` is not the JSON of a comparison.
    """
    return from_json(decode(text))


def _tame(value: Any) -> Any:
    """Metadata as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _tame(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tame(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, str | int):
        return value
    return str(value)
