"""A model with the gains of its norms folded into what reads them: the form in which any rotation keeps the function.

`W (g * n)` is `(W g) n`. Under LayerNorm what writes to the residual stream is centred as well. References: S. Ashkboos
et al., QuaRot, arXiv 2404.00456, section 3; SliceGPT, arXiv 2401.15024, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.values import widened

Floats32 = npt.NDArray[np.float32]

NORM_BEFORE = {
    "attn_q": ("attn_norm",),
    "attn_k": ("attn_norm",),
    "attn_v": ("attn_norm",),
    "attn_qkv": ("attn_norm",),
    "attn_kv": ("attn_norm",),
    "ffn_gate": ("ffn_pre_norm", "ffn_norm", "attn_norm"),
    "ffn_up": ("ffn_pre_norm", "ffn_norm", "attn_norm"),
    "ffn_gate_up": ("ffn_pre_norm", "ffn_norm", "attn_norm"),
    "ffn_gate_inp": ("ffn_pre_norm", "ffn_norm", "attn_norm"),
    "output": ("output_norm",),
}
"""For each role that reads the residual stream through a norm, the norm's roles, the likeliest first."""
WRITERS = ("token_embd", "position_embd", "token_types", "attn_out", "ffn_down")
_POST = {"layer_out_norm", "attn_out_norm", "attn_post_norm", "ffn_post_norm"}
_LOWEST_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folding:
    """What folding does to one tower: gains by layer and role, and whether its norms centre."""

    tower: str
    gains: dict[tuple[int | None, str], Floats32]
    centred: bool

    def gain_of(self, part: Part) -> Floats32 | None:
        """The gain to multiply into what a part reads; None for what reads nothing through a norm."""
        for role in NORM_BEFORE.get(part.role or "", ()):
            if (gain := self.gains.get((part.layer, role))) is not None:
                return gain
        return None


def find_folding(anatomy: Anatomy, checkpoint: Checkpoint, tower: str) -> Folding | None:
    """The folding of one tower; None where norms stand behind blocks, so that rotations change the function.

    Parameters
    ----------
    anatomy, checkpoint
        One side.
    tower : str
        The tower's path.
    """
    gains: dict[tuple[int | None, str], Floats32] = {}
    centred = False
    for part in anatomy.parts.values():
        if part.tower != tower or part.axes != ("residual",):
            continue
        if part.role in _POST:
            return None
        if part.role in ("attn_norm", "ffn_norm", "ffn_pre_norm", "output_norm"):
            if part.kind is PartKind.BIAS:
                centred = True
            elif part.kind is PartKind.GAIN:
                gain = _gain(part, checkpoint)
                if gain is None:
                    return None
                gains[part.layer, part.role] = gain
    return Folding(tower=tower, gains=gains, centred=centred)


def _gain(part: Part, checkpoint: Checkpoint) -> Floats32 | None:
    """The gain, `1 + g` where gains are stored around zero."""
    try:
        gain = widened(checkpoint.rows(part.name, 0, part.shape[0]))
    except CheckpointError:
        return None
    if not np.isfinite(gain).all() or not gain.any():
        return None
    return gain + np.float32(1) if np.mean(gain < 0) > _LOWEST_SHARE else gain
