"""Layout `weight_norm`: a weight stored as its direction and its rows' lengths, seen as their product.

Only where the other side has a plain weight of that shape. Lengths must be one a row (`dim=0`, the default); other
kinds are left as they are.
https://pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.weight_norm.html
"""

from __future__ import annotations

from math import prod

from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.views import Scaled, seen_as
from fingerprints.values import PRECISION

_PAIRS = (("_v", "_g"), (".original1", ".original0"))


class WeightNorm:
    """See the module."""

    name = "weight_norm"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """One view a pair of direction and length."""
        pairs = _pairs(side)
        plain: set[tuple[int, ...]] | None = None
        if other is not None and pairs:
            split = {name for names in _pairs(other).values() for name in names}
            plain = {info.shape for name, info in other.checkpoint.tensors.items() if name not in split}
        collected = Collected(side)
        for merged, (direction, length) in pairs.items():
            info = side.checkpoint.tensors[direction]
            if plain is None or info.shape in plain:
                view = Scaled(info=seen_as(info, merged, info.shape, "merged"), direction=direction, length=length)
                collected.add(Fit(replaced=(direction, length), views=(view,)))
        return collected.relaying()


def _pairs(side: LayoutSide) -> dict[str, tuple[str, str]]:
    """Direction and length by the name of the weight that they make."""
    tensors = side.checkpoint.tensors
    found: dict[str, tuple[str, str]] = {}
    for name, info in tensors.items():
        for ending, partner in _PAIRS:
            stem = name.removesuffix(ending)
            length = tensors.get(stem + partner)
            if stem == name or not stem.endswith("weight") or length is None:
                continue
            if len(info.shape) < 2 or not info.size or info.dtype not in PRECISION:
                continue
            if length.shape[:1] == info.shape[:1] and prod(length.shape) == info.shape[0]:
                found[stem.replace(".parametrizations.weight", ".weight")] = name, length.name
    return found
