"""Every class and function that the pickles of a checkpoint name: kept as metadata, and told where one is looked at.

What an ordinary PyTorch checkpoint names is nothing odd, so that this is no finding of the reader; names that can run
code, or that come from elsewhere, are (`fingerprints.readers.pickled_classes`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from fingerprints.checkpoint import Finding, Origin
from fingerprints.readers.pickle_objects import Global
from fingerprints.readers.pickled_classes import is_dangerous
from fingerprints.readers.quoting import MAX_QUOTED, listed, quoted

_KEY: Final = "pickle imports of "
_MOST_NAMES: Final = 1000
"""Names of one pickle that are kept; a training checkpoint with all its classes has fewer than a hundred."""
_SHOWN: Final = 24
_FORMATS: Final = {"pytorch", "pytorch-legacy", "torchscript", "pickle"}
"""Formats whose metadata is no text from the file."""


def imports_metadata(names: Iterable[Global], shard: str) -> dict[str, str]:
    """Return the names as metadata of a file, those that can run code first; empty when there are none.

    Parameters
    ----------
    names : iterable of Global
        Every class and function that the pickle refers to; the first 1000 are kept.
    shard : str
        The file's name in the checkpoint.
    """
    kept = sorted(islice(names, _MOST_NAMES), key=lambda name: (not is_dangerous(name), name.qualified))
    lines = [f"{_escaped(name.module)}\t{_escaped(name.name)}" for name in kept]
    return {_KEY + shard: "\n".join(lines)} if lines else {}


def import_findings(origin: Origin) -> list[Finding]:
    """Return one finding that lists what all pickles of a checkpoint name; none where there is no pickle.

    Parameters
    ----------
    origin : Origin
        That of the checkpoint, with what `imports_metadata` put into its metadata.
    """
    if origin.format not in _FORMATS:
        return []
    files = [key.removeprefix(_KEY) for key in origin.metadata if key.startswith(_KEY)]
    names: dict[Global, None] = {}
    for file in files:
        for line in origin.metadata[_KEY + file].split("\n"):
            module, _, name = line.partition("\t")
            names[Global(module, name)] = None
    if not names:
        return []
    dangerous = sorted(name.qualified for name in names if is_dangerous(name))
    others = sorted(name.qualified for name in names if not is_dangerous(name))
    count = f"{len(names)} class or function" if len(names) == 1 else f"{len(names)} classes and functions"
    warned = f", {len(dangerous)} of which can run code ({listed(dangerous)})" if dangerous else ""
    rest = f": {listed(others, _SHOWN)}" if others else ""
    return [
        Finding(
            code="pickle-imports",
            subject=files[0] if len(files) == 1 else f"{quoted(files[0])} and {len(files) - 1} more",
            message=f"the pickle names {count}{warned}{rest}; none was imported",
        )
    ]


def _escaped(text: str) -> str:
    """The text without tabs, line breaks, and whatever else is not printable ASCII."""
    return ascii(text[:MAX_QUOTED])[1:-1]
