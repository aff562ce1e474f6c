"""Which models there are on a Hub: those of an author, with certain tags, children of one model, by words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from fingerprints.errors import Unavailable, UsageError
from fingerprints.readers.quoting import quoted
from provenance.hub.reference import HubReference

if TYPE_CHECKING:
    from provenance.hub.client import Client

PAGE: Final = 1000
"""Models of one answer; the Hub gives no more."""
LONGEST: Final = 200
"""Characters of a name that is believed."""
_BASE: Final = "base_model:"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubQuery:
    """What to look for; models fit that meet all of it.

    Attributes
    ----------
    author : str or None
        A user or an organisation.
    search : str or None
        Words in the model's name.
    filters : tuple of str
        Tags: a library, a language, a licence, ….
    children_of : str or None
        `org/name`: models whose card declares it as their base.
    limit : int or None
        How many are wanted at most, the first in the Hub's order.
    """

    author: str | None = None
    search: str | None = None
    filters: tuple[str, ...] = ()
    children_of: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.children_of is not None:
            base = HubReference.parse(self.children_of)
            if base is None or str(base) != base.repository:
                raise UsageError(
                    f"children are asked for of {self.children_of!a}, which is no model on the Hub",
                    hint="write ORGANISATION/NAME",
                )
        for word in (self.author, self.search, *self.filters):
            if word is not None and not (word.strip() and word.isprintable()):
                raise UsageError(f"{word!a} is nothing to look for on the Hub", hint="write a name, a word or a tag")

    def __str__(self) -> str:
        return self._words or "all models"

    @property
    def _words(self) -> str:
        pairs = [("author", self.author), ("search", self.search), *(("filter", each) for each in self._tags)]
        return urlencode([(name, value) for name, value in pairs if value is not None])

    @property
    def _tags(self) -> tuple[str, ...]:
        base = None if self.children_of is None else HubReference.parse(self.children_of)
        return self.filters if base is None else (*self.filters, f"{_BASE}{base.repository}")

    def address(self, endpoint: str) -> str:
        """Where the first page of the answer is."""
        size = PAGE if self.limit is None else min(self.limit, PAGE)
        return f"{endpoint}/api/models?{'&'.join(filter(None, (self._words, f'limit={size}')))}"


def find_models(query: HubQuery, client: Client) -> Iterator[str]:
    """Yield the names of all models that fit, in the Hub's order.

    Raises
    ------
    Unavailable
        When the Hub cannot be asked, or what it answers makes no sense.
    """
    return islice(_all_models(query, client), query.limit)


def _all_models(query: HubQuery, client: Client) -> Iterator[str]:
    page: str | None = query.address(client.endpoint)
    seen: set[str] = set()
    while page is not None:
        if page in seen:
            raise _odd(query, client, "goes in a circle")
        seen.add(page)
        entries, page = client.document(page, str(query))
        if not isinstance(entries, list):
            raise _odd(query, client, "is no list of models")
        for entry in entries:
            name = entry.get("id") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not 0 < len(name) <= LONGEST or not name.isprintable():
                raise _odd(query, client, "lists what is no model")
            yield name


def _odd(query: HubQuery, client: Client, reason: str) -> Unavailable:
    return Unavailable(
        f"what {client.endpoint} answers to {quoted(str(query))} {reason}",
        hint="check HF_ENDPOINT: it must be the address of a Hub",
    )
