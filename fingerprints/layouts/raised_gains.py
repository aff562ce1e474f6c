"""Layout `raised_gains`: norm gains stored around zero, seen as the 1 + g that llama.cpp's files hold.

Gemma 1 to 3, Nemotron, Qwen3-Next and their kin multiply by 1 + g and store g; llama.cpp's converter adds the 1 in
float32 (`raised_gains` in `fingerprints/data/gguf.json` lists the architectures). The same is added here to the side
that is no GGUF file, rather than taken from the one that is: a sum that was rounded does not give g back. A checkpoint
whose gains hold the 1 already (Gemma stored as a Llama) is known by its final norm, which is nearer as it is.
https://github.com/ggml-org/llama.cpp/blob/master/conversion/gemma.py
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from fingerprints.anatomy import Part, PartKind
from fingerprints.checkpoint import TensorInfo
from fingerprints.errors import CheckpointError
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.views import RAISED, Raised
from fingerprints.values import PRECISION, widened

_RAISED: Final = re.compile(r"norm\.weight$")
_LEFT: Final = re.compile(r"linear_attn\.norm\.weight$|(^|\.)(vision|audio)_")
"""Gains that the converter leaves alone, or that are in a file of their own."""


class RaisedGains:
    """See the module."""

    name = "raised_gains"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """One view a gain."""
        if other is None or _architecture(other) not in _architectures() or _is_gguf(side) or _holds_one(side, other):
            return Relaying()
        collected = Collected(side)
        for name, info in side.checkpoint.tensors.items():
            if _RAISED.search(name) and not _LEFT.search(name) and len(info.shape) == 1 and info.dtype in PRECISION:
                collected.add(Fit(replaced=(name,), views=(Raised(info=_raised(info), source=name),)))
        return collected.relaying(final=True)


def _is_gguf(side: LayoutSide) -> bool:
    return side.checkpoint.origin.format == "gguf"


def _architecture(side: LayoutSide) -> str:
    return side.checkpoint.origin.metadata.get("general.architecture", "") if _is_gguf(side) else ""


def _holds_one(side: LayoutSide, other: LayoutSide) -> bool:
    """Whether the final norm is nearer to the other side's as it is than with 1 added."""
    mine, theirs = _final_norm(side), _final_norm(other)
    if mine is None or theirs is None or mine.shape != theirs.shape:
        return False
    try:
        x, y = (
            widened(each.checkpoint.rows(part.name, 0, part.shape[0])).astype(np.float64)
            for each, part in ((side, mine), (other, theirs))
        )
    except CheckpointError:
        return False
    return bool(np.median(np.abs(x - y)) < np.median(np.abs(x + 1 - y)))


def _final_norm(side: LayoutSide) -> Part | None:
    parts = (part for part in side.anatomy.parts.values() if part.role == "output_norm")
    return next((part for part in parts if part.kind is PartKind.GAIN and part.info.dtype in PRECISION), None)


def _raised(info: TensorInfo) -> TensorInfo:
    """The gain's description in the type of the sum; its bytes are those that are stored."""
    return replace(info, dtype=RAISED, storage=None if info.storage is None else f"{info.storage}|raised")


@cache
def _architectures() -> frozenset[str]:
    own = json.loads(resources.files("fingerprints").joinpath("data/gguf.json").read_text("utf-8"))
    return frozenset(own["raised_gains"])
