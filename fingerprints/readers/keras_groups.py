"""The groups of an HDF5 file, walked from data set to data set, by the names that Keras gives to what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fingerprints.errors import LimitExceeded
from fingerprints.readers.keras_names import VARIABLES, layer_names, variable_names
from fingerprints.readers.name_length import cut
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

HINT: Final = "the file is damaged or was not written by Keras; download it again"
_MAX_DEPTH: Final = 32
_TRAINING: Final = ("optimizer", "optimizer_weights")
_LAYER: Final = "weight_names"
"""Attribute of a layer's group as Keras 2 writes it: names below such a group are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A data set: what its variable is called, and the way to it; both may name several data sets of a broken file."""

    name: str
    path: str
    dataset: Any


class Walk:
    """One walk through a file; links to elsewhere and training state are left out.

    Parameters
    ----------
    h5py : module
        The library.
    source : SourceFile
        For messages.
    """

    def __init__(self, h5py: Any, source: SourceFile) -> None:
        self._h5py, self._source = h5py, source
        self._seen: set[int] = set()

    def below(self, root: Any) -> Iterator[Entry]:
        """Yield every data set; a group with several names is looked into once."""
        yield from self._below(root, "", "", (), 0)

    def _below(self, group: Any, prefix: str, path: str, classes: tuple[str, ...], depth: int) -> Iterator[Entry]:
        address = self._h5py.h5o.get_info(group.id).addr
        if address in self._seen:
            return
        self._seen.add(address)
        if depth > _MAX_DEPTH:
            raise LimitExceeded(
                f"groups of {quoted(str(self._source.path))} are nested more than {_MAX_DEPTH} deep",
                path=self._source.path,
                hint=HINT,
                limit=_MAX_DEPTH,
            )
        members = dict(self._members(group, depth))
        names = self._names(members)
        for key, entry in members.items():
            at = f"{path}{key}"
            if isinstance(entry, self._h5py.Dataset):
                yield Entry(name=_plain(f"{prefix}{key}"), path=_plain(at), dataset=entry)
            elif key == VARIABLES and (numbered := self._numbered(entry)):
                self._seen.add(self._h5py.h5o.get_info(entry.id).addr)
                called = variable_names(classes, [dataset.shape or () for dataset in numbered])
                for place, (name, dataset) in enumerate(zip(called, numbered, strict=True)):
                    yield Entry(name=f"{prefix}{name}", path=_plain(f"{at}.{place}"), dataset=dataset)
            else:
                if whole := not depth and key == "model_weights":
                    at = ""
                inner = "" if whole or _LAYER in entry.attrs else cut(f"{prefix}{names[key]}.")
                kinds = (key, self._stored_name(entry) or "")
                yield from self._below(entry, inner, cut(f"{at}.") if at else "", kinds, depth + 1)

    def _members(self, group: Any, depth: int) -> Iterator[tuple[str, Any]]:
        for key in sorted(group):
            if not isinstance(group.get(key, getlink=True), self._h5py.HardLink) or (not depth and key in _TRAINING):
                continue
            entry = group[key]
            if isinstance(entry, self._h5py.Dataset | self._h5py.Group):
                yield key, entry

    def _names(self, members: dict[str, Any]) -> dict[str, str]:
        """What groups are called: layers in a list by their own names, attributes of a layer as they are."""
        if VARIABLES in members:
            return {key: key for key in members}
        stored = {
            key: self._stored_name(entry) for key, entry in members.items() if isinstance(entry, self._h5py.Group)
        }
        return layer_names(stored)

    def _stored_name(self, layer: Any) -> str | None:
        """The name that Keras 3 stores beside a layer's variables."""
        if not isinstance(layer.get(VARIABLES, getlink=True), self._h5py.HardLink):
            return None
        name = layer[VARIABLES].attrs.get("name")
        return name if isinstance(name, str) else None

    def _numbered(self, group: Any) -> list[Any]:
        """The data sets `0`, `1`, … of a group that holds nothing else; empty where it is not so."""
        if not isinstance(group, self._h5py.Group):
            return []
        found = dict(self._members(group, 1))
        keys = [str(place) for place in range(len(found))]
        whole = found.keys() == set(keys) and all(isinstance(entry, self._h5py.Dataset) for entry in found.values())
        return [found[key] for key in keys] if whole else []


def _plain(name: str) -> str:
    """A name without TensorFlow's output number, its way to write a dot, and slashes."""
    return name.removesuffix(":0").replace("/", ".").replace("_._", ".")
