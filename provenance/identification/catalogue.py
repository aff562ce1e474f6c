"""The shipped catalogue: architectures of well-known models, names and shapes without weights.

`data/catalogue.json.xz` is made by `bench/catalogue` from its `base_models.csv`. Facts about architectures are no
evidence about weights.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import product
from typing import Any

from fingerprints.anatomy import Anatomy, build_anatomy
from fingerprints.checkpoint import TensorInfo
from fingerprints.fingerprint import Fingerprint, FingerprintCheckpoint
from fingerprints.inventory import Inventory
from provenance.fingerprint_comparison import reference_of

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One known model.

    `templates` are names with a `{}` for each number, the numbers that each takes, and the shape of all of them.
    """

    name: str
    family: str
    licence: str
    templates: tuple[tuple[str, tuple[tuple[int, ...], ...], Shape], ...]
    fingerprint_bytes: int

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """All tensors by name."""
        return dict(self._expanded())

    def _expanded(self) -> Iterator[tuple[str, Shape]]:
        for pattern, numbers, shape in self.templates:
            for index in product(*numbers):
                yield pattern.format(*index), shape

    @cached_property
    def counted(self) -> Counter[Shape]:
        """How many tensors there are of each shape."""
        found: Counter[Shape] = Counter()
        for _, numbers, shape in self.templates:
            count = 1
            for each in numbers:
                count *= len(each)
            found[shape] += count
        return found

    @cached_property
    def anatomy(self) -> Anatomy:
        """What each of its tensors is."""
        return anatomy_of(self.name, self.shapes)


def anatomy_of(name: str, shapes: Mapping[str, Shape]) -> Anatomy:
    """The anatomy of tensors of which nothing but names and shapes is known."""
    tensors = {
        each: TensorInfo(name=each, shape=shape, dtype="BF16", shard="", nbytes=0) for each, shape in shapes.items()
    }
    nothing = Inventory(learned={}, set_aside={}, copies={}, unreadable={})
    bare = Fingerprint(tensors=tensors, inventory=nothing, seen={}, axes=(), vectors=(), method="")
    return build_anatomy(FingerprintCheckpoint(bare, reference_of(name, bare)))


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """All known models, by name."""
    packed = resources.files("provenance").joinpath("data/catalogue.json.xz").read_bytes()
    return tuple(_entry(plain) for plain in json.loads(lzma.decompress(packed)))


def _entry(plain: Mapping[str, Any]) -> CatalogueEntry:
    templates: Sequence[Any] = plain["templates"]
    return CatalogueEntry(
        name=plain["name"],
        family=plain["family"],
        licence=plain["licence"],
        templates=tuple(
            (pattern, tuple(tuple(_numbers(each)) for each in numbers), tuple(shape))
            for pattern, numbers, shape in templates
        ),
        fingerprint_bytes=plain["fingerprint_bytes"],
    )


def _numbers(each: Any) -> Sequence[int]:
    """A count of numbers from 0, or the numbers themselves."""
    return range(each) if isinstance(each, int) else each
