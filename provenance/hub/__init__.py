"""Checkpoints on the Hugging Face Hub, read in place: headers and sampled rows by HTTP ranges, no downloads."""

from provenance.hub.access import Hub
from provenance.hub.reference import HubReference

__all__ = ["Hub", "HubReference"]
