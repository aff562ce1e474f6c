"""Real text to train on: the sources of the Python standard library (PSF licence), as bytes.

Two disjoint parts: the single-file modules for training from scratch, and a few packages for fine-tuning. The order
is that of the sorted paths, so the text depends on the Python version alone.
"""

from __future__ import annotations

import hashlib
import sysconfig
from functools import cache
from pathlib import Path

import numpy as np
import torch

FINE_TUNING = ("asyncio", "email", "html", "http", "json", "logging", "multiprocessing", "urllib", "xml")
"""Packages that only the fine-tuning text holds."""


def sources(*packages: str) -> list[Path]:
    """Sorted sources of the named standard-library packages; without a name, of its single-file modules.

    `_sysconfigdata*` is left out: a machine wrote it, about itself.
    """
    stdlib = Path(sysconfig.get_path("stdlib"))
    if packages:
        return sorted(path for name in packages for path in (stdlib / name).rglob("*.py"))
    return sorted(path for path in stdlib.glob("*.py") if not path.name.startswith("_sysconfigdata"))


@cache
def pretraining() -> torch.Tensor:
    """Bytes of the single-file modules: int64 tensor of about 4.7 million values in 0..255."""
    return _tokens(sources())


@cache
def fine_tuning() -> torch.Tensor:
    """Bytes of the packages in `FINE_TUNING`: int64 tensor of about 2 million values in 0..255."""
    return _tokens(sources(*FINE_TUNING))


def digest(tokens: torch.Tensor) -> str:
    """sha256 of a text, to record what a checkpoint was trained on."""
    return hashlib.sha256(tokens.to(torch.uint8).numpy().tobytes()).hexdigest()


def windows(tokens: torch.Tensor, batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """`batch` random windows of `length` tokens, shape (batch, length)."""
    starts = torch.randint(len(tokens) - length, (batch, 1), generator=generator)
    return tokens[starts + torch.arange(length)]


def _tokens(paths: list[Path]) -> torch.Tensor:
    text = b"".join(path.read_bytes() for path in paths)
    return torch.from_numpy(np.frombuffer(text, dtype=np.uint8).astype(np.int64))
