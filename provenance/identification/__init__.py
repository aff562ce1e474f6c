"""`identify`: which known model a checkpoint comes from."""

from provenance.identification.identify import IdentifyOptions, identify
from provenance.identification.result import Candidate, Identification, Layout

__all__ = ["Candidate", "Identification", "IdentifyOptions", "Layout", "identify"]
