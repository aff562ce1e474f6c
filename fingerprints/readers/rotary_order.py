"""Query and key rows in the order of Meta's rotary embedding, put into the order that most checkpoints have.

Meta rotates neighbours, rows 2p and 2p + 1 of a head; the transformers library rotates rows p and p + d/2. That changes
no function and every index: see `fingerprints.readers.interleaved_rows`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from fingerprints.checkpoint import Finding
from fingerprints.readers.interleaved_rows import in_order, may_be_heads
from fingerprints.readers.row_tensor import RowTensor

_QUERY_OR_KEY: Final = re.compile(r"^layers\.\d+\.attention\.w(?P<which>[qk])\.(weight|bias)$")
_HEADS: Final = {"q": ("n_heads", "num_attention_heads"), "k": ("n_kv_heads", "num_key_value_heads")}


def undo_interleaving(
    tensors: Mapping[str, RowTensor], *claims: Mapping[str, Any]
) -> tuple[Mapping[str, RowTensor], list[Finding]]:
    """Put the rows of queries and keys under Meta's names in order; say so, or that the number of heads is not known.

    Parameters
    ----------
    tensors : mapping
        Tensors by name; without Meta's names they stay as they are.
    claims : mapping
        params.json and config.json, the first that names the heads counts.
    """
    matches = {name: match["which"] for name in tensors if (match := _QUERY_OR_KEY.match(name))}
    if not matches:
        return tensors, []
    done: dict[str, RowTensor] = {}
    for name, which in matches.items():
        heads = _heads(which, claims)
        if heads is not None and may_be_heads(tensors[name], heads):
            done[name] = in_order(tensors[name], heads)
    left = len(matches) - len(done)
    findings = []
    if left:
        first = next(name for name in matches if name not in done)
        message = f"{left} of {len(matches)} query and key matrices are left in Meta's order of rows: params.json"
        findings.append(
            Finding(code="row-order-unknown", subject=first, message=f"{message} does not say how many heads they have")
        )
    return {name: done.get(name, tensor) for name, tensor in tensors.items()}, findings


def _heads(which: str, claims: tuple[Mapping[str, Any], ...]) -> int | None:
    """Return the number of heads; keys have as many as queries where nothing else is said."""
    for claim in claims:
        for key in (*_HEADS[which], *_HEADS["q"]):
            found = claim.get(key)
            if type(found) is int and 0 < found < 1 << 20:
                return found
    return None
