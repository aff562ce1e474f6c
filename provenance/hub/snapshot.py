"""A repository at one commit as a folder: its files are sparse, and filled as they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from huggingface_hub import hf_hub_url

from fingerprints.readers.mount import Span
from provenance.hub.cached import cached_file, copy_span
from provenance.hub.client import Client
from provenance.hub.listing import HubFile, Listing
from provenance.hub.ranges import RangedFile
from provenance.hub.remote_file import RemoteFile
from provenance.hub.traffic import Traffic


class Snapshot:
    """A mounted repository; see `fingerprints.readers.mount`.

    Parameters
    ----------
    root : Path
        An empty folder, resolved.
    name : str
        How the user spelled it.
    listing : Listing
        What lies in it.
    client : Client
        Who fetches.
    pool : ThreadPoolExecutor
        Where stretches are fetched side by side.
    whole : bool
        Whether files may be fetched as a whole, where the server knows no ranges.
    """

    def __init__(
        self, root: Path, name: str, listing: Listing, client: Client, pool: ThreadPoolExecutor, *, whole: bool
    ) -> None:
        self.root, self.name, self.revision = root, name, listing.commit
        self.listing = listing
        self._client, self._pool, self._whole = client, pool, whole
        self._files: dict[Path, RemoteFile] = {}
        for path, file in listing.files.items():
            place = root / path
            if any(parent in self._files for parent in place.parents) or place.is_dir():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as sparse:
                sparse.truncate(file.size)
            self._files[place] = self._remote(place, file)

    @property
    def traffic(self) -> Traffic:
        """What its run has fetched."""
        return self._client.traffic

    def fill(self, path: Path, spans: Sequence[Span], *, exact: bool) -> None:
        """Have the bytes at `spans`; see `Mount.fill`."""
        file = self._files.get(path) or self._files.get(path.resolve())
        if file is not None:
            file.fill(spans, exact=exact)

    def digests(self, folder: Path, names: Sequence[str]) -> Mapping[str, str]:
        """SHA-256 of files below `folder`, as the Hub lists them; those that it does not know are left out."""
        found = {name: self.listing.files.get((folder / name).relative_to(self.root).as_posix()) for name in names}
        return {name: file.sha256 for name, file in found.items() if file is not None and file.sha256 is not None}

    def _remote(self, place: Path, file: HubFile) -> RemoteFile:
        repository, commit = self.listing.repository, self.listing.commit
        downloaded = cached_file(repository, commit, file.path, file.size)
        if downloaded is not None:
            return RemoteFile(place, file.size, partial(copy_span, downloaded), self._pool, None)
        url = hf_hub_url(repository, file.path, revision=commit, endpoint=self._client.endpoint)
        ranged = RangedFile(self._client, url, f"{self.name}/{file.path}", file.size, whole=self._whole)
        return RemoteFile(place, file.size, ranged.fetch, self._pool, self.traffic)
