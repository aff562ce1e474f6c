"""A library: fingerprints of known models in one folder, and an index that finds relatives among them."""

from provenance.library.entry import Entry
from provenance.library.library import Library, default_library

__all__ = ["Entry", "Library", "default_library"]
