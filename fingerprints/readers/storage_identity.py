"""The persistent id of a storage where it is text: pickles of protocol 0 write tuples as Python prints them.

`torch.save(..., pickle_protocol=0)` writes such files, and `torch.load` refuses them; what they say is clear all the
same. Format: https://github.com/python/cpython/blob/main/Lib/pickle.py (`save_pers`)
"""

from __future__ import annotations

import re
from typing import Any, Final

from fingerprints.readers.pickle_objects import Global

_IDENTITY: Final = re.compile(
    r"\('storage', <class '(?P<module>[\w.]{1,200})\.(?P<name>\w{1,100})'>, '(?P<key>[^'\\]{1,100})', '[^'\\]{0,100}',"
    r" (?P<length>[0-9]{1,19})(, (None|\('[^'\\]{1,100}', (?P<start>[0-9]{1,19}), (?P<count>[0-9]{1,19})\)))?\)",
    re.ASCII,
)


def identity_of(text: str) -> tuple[Any, ...] | None:
    """Return the tuple `("storage", type, key, location, length, view)` that a text shows, or None."""
    found = _IDENTITY.fullmatch(text)
    if found is None:
        return None
    view = None if found["start"] is None else ("", int(found["start"]), int(found["count"]))
    return ("storage", Global(found["module"], found["name"]), found["key"], "", int(found["length"]), view)
