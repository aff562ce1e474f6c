"""The models that targets are compared with: a folder of checkpoints, each called by its path in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from fingerprints.errors import UsageError
from fingerprints.fingerprint import open_model
from provenance.scan.declaration import read_declaration
from provenance.scan.folders import models_below
from provenance.scan.stamp import stamp_of

MOST: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One model of the library: `org/name` or whatever its path in the folder is."""

    name: str
    path: Path
    licence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """All models of a library; `stamp` changes when one of them does."""

    folder: Path
    models: tuple[Reference, ...]
    stamp: str


def read_references(folder: Path) -> References:
    """Find the models in `folder` and look at the headers of each.

    Raises
    ------
    UsageError
        When the folder holds no models, or more than can be compared with one by one.
    CheckpointError
        When one of them cannot be read: found out before the scan, not once for every target.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no library at {folder}", hint="--library takes a folder that holds models")
    found = models_below(folder)
    if not found or found == [folder]:
        raise UsageError(
            f"{folder} holds no models to compare with",
            hint="put each model into a folder of its own: LIBRARY/name or LIBRARY/org/name",
        )
    if len(found) > MOST:
        raise UsageError(
            f"{folder} holds {len(found)} models, more than {MOST}", hint="split it, and scan with each part"
        )
    digest = blake2b(digest_size=16)
    models = []
    for path in found:
        with open_model(path) as checkpoint:
            declared = read_declaration(checkpoint.origin)
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{stamp_of(path)}\0".encode(errors="surrogateescape"))
        models.append(Reference(name=name, path=path, licence=declared.licence))
    return References(folder=folder, models=tuple(models), stamp=digest.hexdigest())


def is_same_place(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths name one file or folder."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False
