"""Which of several sets of weights is meant, and the list of them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fingerprints.checkpoint import WeightSet
from fingerprints.errors import NotACheckpoint, UsageError
from fingerprints.readers.found_set import FoundSet, is_plain_sub_folder
from fingerprints.readers.quoting import listed, quoted
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.set_contents import SetContents


def choose(place: Path, found: list[FoundSet], variant: str | None) -> tuple[FoundSet, str | None]:
    """Return the set that is meant, and the label of the container in it, if one was named.

    Raises
    ------
    NotACheckpoint
        When there is none, or none that goes before the others.
    UsageError
        When there is no set called `variant`.
    """
    if not found:
        raise NotACheckpoint(
            f"there are 0 files with weights in {quoted(str(place))}",
            path=place,
            hint="give the folder or file that holds the weights; they end in .safetensors, .bin, .pt, .pth or .ckpt",
        )
    if variant is None:
        if is_plain_sub_folder(found[0]):
            raise NotACheckpoint(
                f"there are no weights in {quoted(str(place))} itself, but in {len(found)} of its sub-folders:"
                f" {listed([known.name for known in found])}",
                path=place,
                hint="give one of the sub-folders, or name it as the variant",
            )
        return found[0], None
    for known in found:
        if variant == known.name:
            return known, None
    for known in found:
        if (variant,) == known.files or (len(known.files) == 1 and Path(known.files[0]).stem == variant):
            return known, None
        if variant.startswith(f"{known.name}:"):
            return known, variant.removeprefix(f"{known.name}:")
    if found[0].inside or found[0].fault is not None:
        raise _no_variant(variant, [known.name for known in found])
    return found[0], variant


def container_of(
    contents: SetContents, label: str | None, chosen: FoundSet, found: list[FoundSet]
) -> tuple[str, Mapping[str, RowTensor]]:
    """Return the label and the tensors of the container that is meant.

    Raises
    ------
    UsageError
        When there is no container called `label`.
    """
    if label is None:
        return next(iter(contents.containers.items()))
    if label not in contents.containers:
        names = [known.name for known in found if known is not chosen]
        raise _no_variant(label, [*_container_names(chosen, contents), *names])
    return label, contents.containers[label]


def listing(
    found: list[FoundSet], chosen: FoundSet | None, contents: SetContents | None, label: str | None
) -> tuple[WeightSet, ...]:
    """Describe all sets; the chosen one by its containers, if it was read and has several."""
    sets: list[WeightSet] = []
    for known in found:
        entry = WeightSet(
            name=known.name,
            format=known.format,
            files=known.files,
            nbytes=known.nbytes,
            readable=known.fault is None,
            chosen=known is chosen,
        )
        if known is not chosen or contents is None:
            sets.append(entry)
            continue
        for name, inner in zip(_container_names(known, contents), contents.containers, strict=True):
            nbytes = sum(stored.info.nbytes for stored in contents.containers[inner].values())
            size = known.nbytes if len(contents.containers) == 1 else nbytes
            sets.append(replace(entry, name=name, format=contents.format, nbytes=size, chosen=inner == label))
    return tuple(sets)


def _no_variant(variant: str, names: list[str]) -> UsageError:
    return UsageError(
        f"there is no set of weights called {quoted(variant)} among {len(names)}",
        hint=f"name one of {listed(names, 32)}",
    )


def _container_names(known: FoundSet, contents: SetContents) -> list[str]:
    labels = list(contents.containers)
    return [known.name] if len(labels) == 1 else [f"{known.name}:{label}" for label in labels]
