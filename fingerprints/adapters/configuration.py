"""What adapter_config.json says about an adapter: claims, of which only the scale of the product is ever used.

The file's fields: https://huggingface.co/docs/peft/package_reference/lora#peft.LoraConfig
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fingerprints.adapters.alpha_patterns import AlphaPatterns, read_patterns
from fingerprints.checkpoint import Finding
from fingerprints.errors import CheckpointError, LimitExceeded
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.containment import require_inside
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

NAME: Final = "adapter_config.json"
MAX_CONFIG: Final = 1_000_000
"""Bytes of the largest configuration that is read."""
_HINT: Final = "download adapter_config.json again"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """The parsed adapter_config.json, empty where there is none; `findings` say why one cannot be used.

    `alphas` are those of single modules.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    alphas: AlphaPatterns = field(default_factory=AlphaPatterns)

    @property
    def transposed(self) -> bool:
        """Whether the adapted layers keep their weights as (inputs, outputs)."""
        return self.values.get("fan_in_fan_out") is True

    def scale(self, module: str, rank: int) -> float | None:
        """Return what the product of a module is multiplied with, None where the file does not settle it.

        `alpha / rank`, or `alpha / sqrt(rank)` for rsLoRA (https://arxiv.org/abs/2312.03732). An expression among the
        patterns of single modules leaves it open.
        """
        alpha = self.values.get("lora_alpha")
        named = self.alphas.find(module)
        if not named and not self.alphas.all_literal:
            return None
        alpha = named[0] if named else alpha
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or rank < 1:
            return None
        try:
            scale = alpha / (math.sqrt(rank) if self.values.get("use_rslora") is True else rank)
        except OverflowError:
            return None
        return scale if math.isfinite(scale) else None

    def names(self, key: str) -> tuple[str, ...]:
        """Return a field that lists names, or holds one; empty where it holds anything else."""
        value = self.values.get(key)
        if isinstance(value, str):
            return (value,)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def read_adapter_config(place: Path) -> AdapterConfig:
    """Return what the file says that lies at `place`, or beside it if that is a file."""
    folder = place if place.is_dir() else place.parent
    try:
        if not (folder / NAME).is_symlink() and not (folder / NAME).is_file():
            return AdapterConfig()
        source = SourceFile(require_inside(folder, NAME))
        if source.size >= MAX_CONFIG:
            raise LimitExceeded(
                f"{quoted(str(source.path))} has {source.size} bytes, more than {MAX_CONFIG}",
                path=source.path,
                hint=_HINT,
                limit=MAX_CONFIG,
                actual=source.size,
            )
        data = source.read(0, source.size)
        source.close()
        values = parse_object(data, path=source.path, what="the text", hint=_HINT, constants=True)
        return AdapterConfig(values=values, alphas=read_patterns(values.get("alpha_pattern")))
    except OSError:
        return AdapterConfig()
    except CheckpointError as error:
        return AdapterConfig(findings=(Finding(code="config-unreadable", subject=NAME, message=error.message),))
