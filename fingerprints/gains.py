"""The norm gain in front of a matrix, so that it can be folded into the matrix before rows are compared."""

from __future__ import annotations

from threading import Lock

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.values import widened

Floats32 = npt.NDArray[np.float32]

_BEFORE_MLP = ("ffn_pre_norm", "ffn_norm", "attn_norm")
_AFTER_BLOCK = {"layer_out_norm", "attn_out_norm"}


class GainBook:
    """Looks up, and remembers, the gain that a matrix's input was multiplied by.

    Parameters
    ----------
    anatomy, checkpoint
        One side of the comparison.
    """

    def __init__(self, anatomy: Anatomy, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._names: dict[tuple[str, int | None, str], str] = {}
        self._post_norm = {p.tower for p in anatomy.parts.values() if p.role in _AFTER_BLOCK}
        for part in anatomy.parts.values():
            if part.role in _BEFORE_MLP and part.kind is PartKind.GAIN:
                self._names[part.tower, part.layer, part.role] = part.name
        self._known: dict[str, Floats32 | None] = {}
        self._lock = Lock()

    def gain_before(self, part: Part) -> Floats32 | None:
        """The gain in front of an MLP's first matrices, `1 + g` where gains are stored around zero (Gemma).

        None after post-norm blocks, where there is no gain, or where it is not finite, not wholly readable or of
        another length.
        """
        if part.tower in self._post_norm:
            return None
        name = next(
            (self._names[key] for role in _BEFORE_MLP if (key := (part.tower, part.layer, role)) in self._names), None
        )
        if name is None:
            return None
        with self._lock:
            if name not in self._known:
                self._known[name] = self._read(name)
            gain = self._known[name]
        residual = part.shape[part.axes.index("residual")] if "residual" in part.axes else 0
        return gain if gain is not None and len(gain) == residual else None

    def _read(self, name: str) -> Floats32 | None:
        try:
            gain = widened(self._checkpoint.rows(name, 0, self._checkpoint.tensors[name].shape[0]))
        except CheckpointError:
            return None
        if not np.isfinite(gain).all() or not gain.any():
            return None
        return gain + np.float32(1) if np.mean(gain < 0) > 0.05 else gain
