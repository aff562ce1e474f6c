"""Element types by the names that numpy gives them, which Flax and Keras write into files."""

from __future__ import annotations

from types import MappingProxyType

from fingerprints.readers.element_types import ELEMENT_TYPES, ElementType

NUMPY_NAMES = MappingProxyType(
    {
        element.numpy.name: element
        for element in ELEMENT_TYPES.values()
        if element.numpy is not None and element.bits >= 8
    }
)
"""`ElementType` by name, such as `float32` or `bfloat16`."""


def find_element(name: object) -> ElementType | None:
    """Return the element type that numpy calls `name`, or None."""
    return NUMPY_NAMES.get(name) if isinstance(name, str) else None
