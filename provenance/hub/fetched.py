"""What a comparison knows of the network: how much of its sides lies elsewhere, what that cost, what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fingerprints.checkpoint import Checkpoint
from fingerprints.readers.mount import mount_of
from provenance.hub.traffic import Traffic

if TYPE_CHECKING:
    from provenance.hub.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The sides that are fetched, and what goes over the network for them.

    Attributes
    ----------
    remote : mapping
        Places among the sides, and the repositories that these lie in.
    """

    remote: Mapping[int, Snapshot]

    @classmethod
    def of(cls, sides: Sequence[Checkpoint]) -> Fetched:
        """Find out which sides lie in repositories."""
        found = {place: mount for place, side in enumerate(sides) if (mount := mount_of(side.origin.path)) is not None}
        if not found:
            return cls(remote={})
        from provenance.hub.snapshot import Snapshot

        remote = {place: mount for place, mount in found.items() if isinstance(mount, Snapshot)}
        return cls(remote=remote)

    @property
    def traffic(self) -> Traffic | None:
        """What goes over the network; None where nothing does."""
        return next((snapshot.traffic for snapshot in self.remote.values()), None)

    @property
    def requests(self) -> int:
        """Requests made in this run."""
        return 0 if self.traffic is None else self.traffic.requests

    @property
    def bytes_fetched(self) -> int:
        """Bytes of all answers."""
        return 0 if self.traffic is None else self.traffic.bytes_fetched

    @property
    def nearly_spent(self) -> bool:
        """Whether little of the budget is left."""
        return self.traffic is not None and self.traffic.nearly_spent

    @property
    def share(self) -> int | None:
        """Bytes that each fetched side may still cost; None for any number."""
        left = None if self.traffic is None else self.traffic.left
        return None if left is None else left // len(self.remote)

    def affordable(self, sides: Sequence[Checkpoint]) -> bool:
        """Whether all that lies elsewhere can be fetched."""
        left = None if self.traffic is None else self.traffic.left
        return left is None or sum(_size(sides[place]) for place in self.remote) <= left

    def fetch_all(self, sides: Sequence[Checkpoint]) -> None:
        """Fetch the weights of all sides, in few requests: for what is read whole anyway.

        Raises
        ------
        Unavailable
            When they cannot be had.
        """
        for place, snapshot in self.remote.items():
            for file, size in _files(sides[place]).items():
                snapshot.fill(file, ((0, size),), exact=True)

    def same_files(self, sides: Sequence[Checkpoint]) -> bool:
        """Whether the Hub lists the same SHA-256 for all weights of both sides, and nothing tells them to be read
        otherwise.
        """
        if len(self.remote) < 2:
            return False
        a, b = sides
        digests = [
            sorted(self.remote[place].digests(_folder(side), side.origin.shards).values())
            for place, side in enumerate(sides)
        ]
        complete = len(digests[0]) == len(a.origin.shards) > 0
        alike = a.origin.config == b.origin.config and a.origin.format == b.origin.format
        return complete and digests[0] == digests[1] and alike and _contents(a) == _contents(b)


def _contents(side: Checkpoint) -> Mapping[str, object]:
    return {name: (info.shape, info.dtype, info.encoding) for name, info in side.tensors.items()}


def _folder(side: Checkpoint) -> Path:
    path = side.origin.path
    return path if path.is_dir() else path.parent


def _files(side: Checkpoint) -> Mapping[Path, int]:
    places = [_folder(side) / name for name in side.origin.shards]
    return {place: place.stat().st_size for place in places}


def _size(side: Checkpoint) -> int:
    return sum(_files(side).values())
