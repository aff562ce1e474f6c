"""Repositories that are given a place among the files: downloaded before, or read over the network."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from huggingface_hub import constants

from fingerprints.readers.mount import add_mount, remove_mount
from provenance.hub.cached import snapshot_of
from provenance.hub.client import Client
from provenance.hub.downloaded import Downloaded
from provenance.hub.listing import Listing, read_commit, read_listing
from provenance.hub.pace import Pace
from provenance.hub.patience import Patience
from provenance.hub.query import HubQuery, find_models
from provenance.hub.reference import HubReference
from provenance.hub.snapshot import Snapshot
from provenance.hub.traffic import Traffic

_SIDE_BY_SIDE: Final = 8


class Repositories:
    """Places of repositories, all taken away with `opened`.

    Parameters
    ----------
    traffic : Traffic
        Where requests and bytes are counted.
    patience : Patience
        How long is waited for a server.
    opened : ExitStack
        Gets what is to be undone in the end.
    whole : bool
        Fetch whole files from a server that knows no ranges.
    per_minute : float or None
        Requests a minute, at most.
    """

    def __init__(
        self, traffic: Traffic, patience: Patience, opened: ExitStack, *, whole: bool, per_minute: float | None
    ) -> None:
        self._client = Client(traffic, patience, Pace(per_minute))
        self._opened = opened
        self._whole = whole

    def place(self, reference: HubReference, listing: Listing | None = None) -> Path:
        """Return the folder that a repository now lies in; at the commit of its `listing`, if that is known already.

        Raises
        ------
        Unavailable
            When it cannot be had.
        """
        if constants.is_offline_mode():
            return self._downloaded(reference)
        return self._mounted(reference, listing or read_listing(reference, self._client))

    def listing(self, reference: HubReference) -> Listing | None:
        """Return what a repository holds; None offline.

        Raises
        ------
        Unavailable
            When it cannot be had.
        """
        return None if constants.is_offline_mode() else read_listing(reference, self._client)

    def models(self, query: HubQuery) -> Iterator[str]:
        """Yield the names of all models that fit.

        Raises
        ------
        Unavailable
            When the Hub cannot be asked.
        """
        return find_models(query, self._client)

    def commit(self, reference: HubReference) -> str:
        """Return the commit that a revision is now.

        Raises
        ------
        Unavailable
            When it cannot be had.
        """
        if constants.is_offline_mode():
            return snapshot_of(reference)[1]
        return read_commit(reference, self._client)[0]

    def _downloaded(self, reference: HubReference) -> Path:
        folder, commit = snapshot_of(reference)
        mount = Downloaded(root=folder, name=str(reference), revision=commit)
        add_mount(mount)
        self._opened.callback(remove_mount, mount)
        return folder

    def _mounted(self, reference: HubReference, listing: Listing) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="provenance-")).resolve()
        self._opened.callback(shutil.rmtree, folder, ignore_errors=True)
        pool = self._opened.enter_context(ThreadPoolExecutor(_SIDE_BY_SIDE))
        root = folder / listing.repository
        root.mkdir(parents=True)
        snapshot = Snapshot(root, str(reference), listing, self._client, pool, whole=self._whole)
        add_mount(snapshot)
        self._opened.callback(remove_mount, snapshot)
        return root
