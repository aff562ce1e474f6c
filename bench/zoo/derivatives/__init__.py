"""The derivatives of the zoo, one file a way of making them."""

from types import ModuleType

from bench.zoo.derivatives import (
    adapters,
    depth,
    disguises,
    editing,
    finetuning,
    ggufs,
    laundering,
    merging,
    packaging,
    packing,
    pruning,
    reuse,
    rounding,
    vocabulary,
    width,
)
from bench.zoo.derivatives.derivation import Derivation

MODULES: tuple[ModuleType, ...] = (
    packaging,
    finetuning,
    adapters,
    vocabulary,
    rounding,
    ggufs,
    packing,
    pruning,
    width,
    depth,
    merging,
    editing,
    reuse,
    disguises,
    laundering,
)
"""Every file that makes derivatives; each lists them in `DERIVATIONS`."""

DERIVATIONS: dict[str, Derivation] = {each.name: each for module in MODULES for each in module.DERIVATIONS}
