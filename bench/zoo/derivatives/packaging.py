"""The same weights in another package: other names, prefix, shards, order or file format."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench.zoo import folder
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.families import FAMILIES

SHARD = "300KB"
NORMS = {"input_layernorm": "ln1", "post_attention_layernorm": "ln2"}
"""The two names by which Yi-34B's first upload differed from Llama."""


def renamed(parents: Sequence[Path], target: Path, name: Callable[[str], str]) -> Truth:
    """Write the parent's tensors under other names."""
    tensors = folder.weights(parents[0])
    names = {old: new for old in tensors if (new := name(old)) != old}
    folder.write(target, {names.get(old, old): value for old, value in tensors.items()}, folder.config(parents[0]))
    return Truth(relation="identical", direction="undirected", kinds=({"kind": "renamed"},), renames=names)


def norms(name: str) -> str:
    """Yi's names."""
    for old, new in NORMS.items():
        name = name.replace(old, new)
    return name


def prefixed(name: str) -> str:
    """The name inside a wrapper of data-parallel training."""
    return f"module.{name}"


def anonymous(name: str) -> str:
    """A name that says nothing."""
    return f"t{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def sharded(parents: Sequence[Path], target: Path) -> Truth:
    """Write the model in several files, as the library splits them."""
    name = parents[0].name.rsplit("-", 1)[0]
    model = FAMILIES[name].model.from_pretrained(parents[0], dtype="auto")
    model.save_pretrained(target, max_shard_size=SHARD)
    return Truth(relation="identical", direction="undirected", kinds=({"kind": "resharded"},))


def pickled(parents: Sequence[Path], target: Path) -> Truth:
    """Write a pickle, the format before safetensors."""
    tensors: Mapping[str, Tensor] = folder.weights(parents[0])
    torch.save(dict(tensors), target / "pytorch_model.bin")
    folder.copied(parents[0], target)
    return Truth(relation="identical", direction="undirected", kinds=({"kind": "container"},))


def packaged(name: str, transform: str, base: str, make: Callable[[Sequence[Path], Path], Truth]) -> Derivation:
    """A package of a base."""
    return Derivation(name=name, transform=transform, tool="safetensors", parents=(base,), make=make)


def _renaming(name: Callable[[str], str]) -> Callable[[Sequence[Path], Path], Truth]:
    return lambda parents, target: renamed(parents, target, name)


DERIVATIONS = (
    packaged("llama-ln1", "renamed", "llama-0", _renaming(norms)),
    *(
        packaged(f"{family}-anonymous", "renamed, anonymous", f"{family}-0", _renaming(anonymous))
        for family in FAMILIES
    ),
    packaged("bert-prefixed", "renamed", "bert-0", _renaming(prefixed)),
    packaged("llama-sharded", "resharded", "llama-0", sharded),
    packaged("gpt2-sharded", "resharded", "gpt2-0", sharded),
    packaged("mixtral-pickled", "pickled", "mixtral-0", pickled),
    packaged("resnet-pickled", "pickled", "resnet-0", pickled),
)
