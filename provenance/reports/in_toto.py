"""A verdict as an in-toto statement (version 1), for tools that sign statements.

The subjects are both checkpoints, by digest; the predicate holds the verdict, what it rests on, and the digest of the
whole JSON result, so that whoever has that file can tell that it is the one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from provenance.escaping import visible
from provenance.reports.digests import digest_of_side
from provenance.reports.encoder import Presentation
from provenance.reports.json import encode as encode_json
from provenance.reports.values import all_visible
from provenance.result import ModelSummary, Result, to_json
from provenance.version import DISTRIBUTION

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:provenance-auditor:predicate:comparison:1"


def encode(result: Result, presentation: Presentation) -> str:
    """`result` as a statement; nothing is signed."""
    source = encode_json(result).encode() if presentation.source is None else presentation.source
    statement = {
        "_type": STATEMENT,
        "subject": [_subject(side, label) for label, side in (("A", result.a), ("B", result.b))],
        "predicateType": PREDICATE,
        "predicate": {
            "tool": {"name": DISTRIBUTION, "version": visible(result.run.version)},
            "verdict": all_visible(to_json(result.verdict)),
            "a": _side(result.a),
            "b": _side(result.b),
            "options": all_visible(to_json(result.run.options)),
            "result": {
                "mediaType": "application/json",
                "digest": {"sha256": hashlib.sha256(source).hexdigest()},
            },
        },
    }
    return json.dumps(statement, indent=2, allow_nan=False) + "\n"


def _subject(side: ModelSummary, label: str) -> dict[str, Any]:
    """A side by its digest. The key says what is digested: names, types, shapes, and with `content` all values."""
    digest = digest_of_side(side)
    known = {} if digest is None else {f"{digest.algorithm}-{digest.covers}": digest.value}
    return {
        "name": f"{label}: {visible(side.reference, limit=1000)}",
        "digest": known or {"unknown": visible(side.digest)},
    }


def _side(side: ModelSummary) -> dict[str, Any]:
    plain = to_json(side)
    return {key: all_visible(plain[key]) for key in ("reference", "revision", "digest", "format", "tensors", "params")}
