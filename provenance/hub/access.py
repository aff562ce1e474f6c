"""The Hub for one run: references become folders that can be read like any others, for as long as the run lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fingerprints.errors import Unavailable
from fingerprints.readers.closing import Closing
from fingerprints.readers.mount import revision_of
from fingerprints.readers.quoting import quoted
from provenance.hub.patience import Patience
from provenance.hub.reference import SCHEME, HubReference
from provenance.hub.traffic import Traffic

if TYPE_CHECKING:
    from provenance.hub.listing import Listing
    from provenance.hub.query import HubQuery
    from provenance.hub.repositories import Repositories

BUDGET: Final = 500_000_000
"""Bytes that a run fetches at most, where nothing else is said."""


class Hub(Closing):
    """Gives repositories a place among the files; `close` takes it away again.

    Parameters
    ----------
    budget : int or None
        Bytes of files that may be fetched; None for 500 MB.
    allow_download : bool
        Fetch as much as it takes, and whole files from a server that knows no ranges.
    patience : Patience, optional
        How long is waited for a server.
    requests, nbytes : int or None
        Requests that may be made, and bytes that may be fetched before the run is broken off; None for any number. The
        budget says how much is looked at, these do not.
    per_minute : float or None
        Requests a minute, at most.
    """

    def __init__(
        self,
        *,
        budget: int | None = None,
        allow_download: bool = False,
        patience: Patience | None = None,
        requests: int | None = None,
        nbytes: int | None = None,
        per_minute: float | None = None,
    ) -> None:
        granted = None if allow_download else BUDGET if budget is None else budget
        self.traffic = Traffic(granted, most_requests=requests, most_bytes=nbytes)
        self._per_minute = per_minute
        self._whole = allow_download
        self._patience = patience or Patience()
        self._found: dict[HubReference, Path] = {}
        self._opened = ExitStack()

    def locate(self, reference: str | Path, listing: Listing | None = None) -> str | Path:
        """Return a path that can be opened: the same one if there is anything, else where a repository now lies.

        A local path goes before a repository of the same spelling; `hf://` before a name always means the Hub. With a
        `listing` the repository is not asked for its files again.

        Raises
        ------
        UsageError
            When a reference that begins with `hf://` is no name.
        Unavailable
            When the repository cannot be had.
        """
        named = None if isinstance(reference, Path) else _named(reference)
        if named is None:
            return reference
        whole = HubReference(repository=named.repository, revision=named.revision)
        root = self._found.get(whole)
        if root is None:
            root = self._found[whole] = self._repositories.place(whole, listing)
        place = root / named.path
        if not _is_there(str(place)):
            raise Unavailable(
                f"there is no {quoted(named.path)} in {quoted(str(whole))} at {(revision_of(root) or '')[:12]}",
                hint="check the spelling of the folder or file behind the repository's name",
            )
        return place

    @property
    def revision(self) -> str | None:
        """The commit of the repository that was located first; None before that."""
        return next((revision_of(root) for root in self._found.values()), None)

    def commit(self, reference: str) -> str | None:
        """The commit at which a model on the Hub would be read now; None for a path.

        Raises
        ------
        UsageError, Unavailable
            As `locate` does.
        """
        named = _named(reference)
        return None if named is None else self._repositories.commit(named)

    def listing(self, reference: str) -> Listing | None:
        """What the repository of a model on the Hub holds now; None for a path, and offline.

        Raises
        ------
        UsageError, Unavailable
            As `locate` does.
        """
        named = _named(reference)
        return None if named is None else self._repositories.listing(named)

    def models(self, query: HubQuery) -> Iterator[str]:
        """Yield the names of all models that fit a query, as they can be located.

        Raises
        ------
        Unavailable
            When the Hub cannot be asked.
        """
        for name in self._repositories.models(query):
            yield f"{SCHEME}{name}" if _is_there(name) else name

    def close(self) -> None:
        """Remove what was fetched."""
        self._found.clear()
        self._opened.close()

    @cached_property
    def _repositories(self) -> Repositories:
        """Not imported by those who only read what lies here: network libraries take their time to load."""
        from provenance.hub.repositories import Repositories

        return Repositories(self.traffic, self._patience, self._opened, whole=self._whole, per_minute=self._per_minute)


def _named(reference: str) -> HubReference | None:
    """What a reference means on the Hub; None for a path."""
    return None if not reference.startswith(SCHEME) and _is_there(reference) else HubReference.parse(reference)


def _is_there(reference: str) -> bool:
    try:
        return Path(reference).exists() or Path(reference).is_symlink()
    except (OSError, ValueError):
        return True
