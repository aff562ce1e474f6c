"""`identify`: which known model a checkpoint comes from."""

from provenance.identification.identify import identify
from provenance.identification.result import Candidate, Identification, Layout
from provenance.identification.search import IdentifyOptions

__all__ = ["Candidate", "Identification", "IdentifyOptions", "Layout", "identify"]
