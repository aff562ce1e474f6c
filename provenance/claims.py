"""What metadata says: shown and compared, never used to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provenance.observation import Side
from provenance.result import Claim, FindingEntry
from provenance.sizes import size_findings

CLAIMED = (
    "model_type",
    "architectures",
    "_name_or_path",
    "base_model",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "tie_word_embeddings",
    "rope_theta",
    "torch_dtype",
    "dtype",
    "transformers_version",
)
_MEASURED = {
    "hidden_size": "residual",
    "intermediate_size": "mlp",
    "num_hidden_layers": "layers",
    "vocab_size": "vocabulary",
}
_LONGEST = 300


def read_claims(a: Side, b: Side) -> tuple[Claim, ...]:
    """Claims that at least one side makes, side by side.

    Parameters
    ----------
    a, b : Side
        The two checkpoints.
    """
    claims = []
    for name in CLAIMED:
        left, right = plain_claim(a.origin.config, name), plain_claim(b.origin.config, name)
        if left is not None or right is not None:
            agrees = None if left is None or right is None else left == right
            claims.append(Claim(name=name, a=left, b=right, agrees=agrees))
    return tuple(claims)


def contradicted(side: Side) -> tuple[FindingEntry, ...]:
    """Sizes that the configuration, or a name, claims and the tensors do not have."""
    found = []
    for name, dimension in _MEASURED.items():
        claimed, measured = side.origin.config.get(name), side.anatomy.dimensions.get(dimension)
        if isinstance(claimed, int) and measured is not None and claimed != measured:
            found.append(
                FindingEntry(
                    code="claim-contradicted",
                    subject=name,
                    message=f"the configuration says {claimed}, the tensors have {measured}",
                )
            )
    return (*found, *size_findings(side))


def plain_claim(config: Mapping[str, Any], name: str) -> Any:
    """A claim as short plain data; None for anything missing, nested or long."""
    value = config.get(name)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    if isinstance(value, str):
        return value[:_LONGEST]
    return value if isinstance(value, bool | int | float) else None
