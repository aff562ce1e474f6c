"""The four classes of derivatives that California's bill SB 1047 (2023-2024 session, vetoed) told apart.

Its section 22602 counted as derivatives an unmodified copy, a copy with modifications unrelated to fine-tuning, a copy
that was fine-tuned below a threshold of computing, and a copy combined with other software. How much was computed is
not in the weights, so that the threshold is left out. An informative column: the bill never became law.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from provenance.result import Relation


class DerivativeClass(StrEnum):
    """What kind of copy it is."""

    UNMODIFIED = "unmodified copy"
    MODIFIED = "modified without fine-tuning"
    FINE_TUNED = "fine-tuned"
    COMBINED = "combined"


_BY_KIND: Final = {
    DerivativeClass.COMBINED: {"merged", "component_reuse", "moe_upcycled"},
    DerivativeClass.FINE_TUNED: {"fine_tune", "continued_pretraining", "adapter_merge", "head_replaced"},
    DerivativeClass.MODIFIED: {
        "quantised",
        "abliterated",
        "noise_added",
        "pruned_unstructured",
        "pruned_n_m",
        "pruned_width",
        "pruned_depth",
        "depth_upscaled",
        "vocabulary_change",
        "disguised",
    },
}
"""In the order in which they are asked: what was combined may have been trained, and what was trained be quantised."""


def derivative_class(relation: str, kinds: Collection[str]) -> DerivativeClass | None:
    """The class of a model with this relation to its base; None where the weights do not say.

    Parameters
    ----------
    relation : str
        A `Relation`.
    kinds : collection of str
        Names of the kinds that were found.
    """
    if relation == Relation.IDENTICAL:
        return DerivativeClass.UNMODIFIED
    if relation != Relation.DERIVED:
        return None
    return next((each for each, names in _BY_KIND.items() if names & set(kinds)), None)
