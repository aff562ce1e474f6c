"""Adapters: small tensors that change a base's weights, one file a kind; a new kind is one more line in `ADAPTERS`."""

from fingerprints.adapters.adapter import ADAPTERS, Adapter, read_adapter
from fingerprints.adapters.joined import open_model
from fingerprints.adapters.kind import AdaptedModule, AdapterKind, DoesNotFitError
from fingerprints.adapters.views import applied_to, changes, unwrapped, with_base

__all__ = [
    "ADAPTERS",
    "AdaptedModule",
    "Adapter",
    "AdapterKind",
    "DoesNotFitError",
    "applied_to",
    "changes",
    "open_model",
    "read_adapter",
    "unwrapped",
    "with_base",
]
