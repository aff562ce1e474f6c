"""The name of a model on the Hub: a repository, a revision, and a folder or file in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from fingerprints.errors import UsageError

SCHEME: Final = "hf://"
_WEB: Final = re.compile(r"^https?://(?:www\.)?(?:huggingface\.co|hf\.co)/")
_PART: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_REVISION: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}")
_REFS: Final = re.compile(r"refs/(?:pr/\d+|convert/[\w.-]+)(?=/|$)")
_LONGEST: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HubReference:
    """`org/name[@revision][/path]`; `str` gives the spelling back, and `parse(str(r)) == r`."""

    repository: str
    revision: str | None = None
    path: str = ""

    def __str__(self) -> str:
        return self.root + (f"/{self.path}" if self.path else "")

    @property
    def root(self) -> str:
        """The spelling of the whole repository."""
        if self.revision is None:
            return self.repository
        plain = _REFS.fullmatch(self.revision) is not None
        return f"{self.repository}@{self.revision if plain else quote(self.revision, safe='')}"

    @classmethod
    def parse(cls, text: str) -> HubReference | None:
        """Read a reference; None where `text` cannot be one, and must be a path.

        `org/name`, `org/name@revision`, either with `/folder` or `/file` behind it; the same with `hf://` before it, or
        the address of a page. A slash in a revision is written `%2F`, but for `refs/pr/N` and `refs/convert/NAME`.

        Raises
        ------
        UsageError
            When it begins with `hf://`, or as an address of the Hub does, and is no valid name.
        """
        explicit = text.startswith(SCHEME) or _WEB.match(text) is not None
        rest = text.removeprefix(SCHEME) if text.startswith(SCHEME) else _WEB.sub("", text)
        rest = rest.removeprefix("models/") if explicit and rest.count("/") > 1 else rest
        found = cls._parsed(rest.rstrip("/"), page=_WEB.match(text) is not None) if len(text) <= _LONGEST else None
        if found is None and explicit:
            raise UsageError(
                f"{text[:200]!a} names no model on the Hub", hint="write hf://ORGANISATION/NAME[@REVISION][/PATH]"
            )
        return found

    @classmethod
    def _parsed(cls, rest: str, *, page: bool) -> HubReference | None:
        organisation, _, behind = rest.partition("/")
        name, at, behind = re.fullmatch(r"([^/@]*)([@/]?)(.*)", behind, re.DOTALL).groups()  # type: ignore[union-attr]
        repository = f"{organisation}/{name}"
        if not all(_PART.fullmatch(part) for part in (organisation, name)) or "--" in repository or ".." in repository:
            return None
        revision: str | None = None
        if page and at == "/":
            kind, _, behind = behind.partition("/")
            if kind not in ("tree", "blob", "resolve"):
                return None
            at = "@"
        if at == "@":
            reference = _REFS.match(behind)
            spelled = reference[0] if reference else behind.partition("/")[0]
            revision, behind = unquote(spelled), behind[len(spelled) + 1 :]
            if not _REVISION.fullmatch(revision):
                return None
        odd = any(part in ("", ".", "..") for part in behind.split("/")) if behind else False
        if odd or "\\" in behind or not behind.isprintable():
            return None
        return cls(repository=repository, revision=revision, path=behind)
