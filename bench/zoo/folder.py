"""A checkpoint folder as the tools of the field leave it: weights, `config.json` and the files beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
BESIDE = (CONFIG, "tokenizer.json")
"""What `copied` takes along."""


def weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, by name; of a pickle where there are no safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        return torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True)
    return {name: value for file in files for name, value in load_file(file).items()}


def config(folder: Path) -> dict[str, Any]:
    """`config.json`, empty where there is none."""
    path = folder / CONFIG
    return json.loads(path.read_text()) if path.exists() else {}


def write(folder: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Path:
    """Write one safetensors file, tensors by name, and `config.json`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {name: tensors[name].detach().clone().contiguous() for name in sorted(tensors)}
    save_file(stored, folder / WEIGHTS, metadata={"format": "pt"})
    if settings:
        (folder / CONFIG).write_text(json.dumps(settings, indent=2) + "\n")
    return folder


def copied(source: Path, target: Path) -> None:
    """Copy what lies beside the weights of `source` to `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for name in BESIDE:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
