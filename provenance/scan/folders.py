"""Where in a tree of folders the models are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from fingerprints.adapters.joined import PARTS

DEEPEST: Final = 3
"""Levels below the given folder that are looked at: `org/name`, and one around them."""
WEIGHTS: Final = (
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".gguf",
    ".onnx",
    ".h5",
    ".keras",
    ".msgpack",
    ".npz",
    ".distcp",
)
_WHOLE: Final = ".gguf"
"""Files of this format carry their configuration: several side by side are several models."""
_SHARD: Final = re.compile(r"-\d+-of-\d+\.")
_OWN: Final = frozenset({"config.json", "params.json", "adapter_config.json", "model_index.json", "tokenizer.json"})


def models_below(folder: Path) -> list[Path]:
    """The models in `folder`, sorted: itself when files of a model lie in it, else those of its sub-folders.

    A folder without sub-folders counts as a model whatever it holds, so that one which lost its files is reported
    instead of skipped. Weight files that lie side by side with folders of models are models of their own.
    """
    return _below(folder, 0)


def _below(folder: Path, depth: int) -> list[Path]:
    entries = sorted(folder.iterdir())
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    files = [entry for entry in entries if not entry.is_dir()]
    weights = [file for file in files if file.name.lower().endswith(WEIGHTS)]
    own = any(file.name in _OWN for file in files)
    if own or not folders or depth >= DEEPEST or any(each.name in PARTS for each in folders):
        several = len(weights) > 1 and all(each.name.lower().endswith(_WHOLE) for each in weights)
        sharded = any(_SHARD.search(each.name) for each in weights)
        return weights if several and not sharded and not own else [folder]
    return [*weights, *(model for each in folders for model in _below(each, depth + 1))]
