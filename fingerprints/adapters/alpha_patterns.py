"""The field `alpha_pattern` of an adapter's configuration: alphas of single modules, by name or by how names end.

Patterns are taken literally: an expression from a file may take forever to match. They are looked up, not tried one by
one, since a file may hold as many of them as it has modules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_PLAIN: Final = re.compile(r"^\^?[\w.]+\$?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaPatterns:
    """What the literal patterns mean: `whole` names, and `endings` of whole components.

    Both map a name to the place of its pattern in the file, which decides between several, and to the alpha.
    `all_literal` says that there are no others.
    """

    whole: Mapping[str, tuple[int, Any]] = field(default_factory=dict)
    endings: Mapping[str, tuple[int, Any]] = field(default_factory=dict)
    all_literal: bool = True

    def find(self, module: str) -> list[Any]:
        """Return the alpha of the first pattern that means a module, in a list; an empty one if none does."""
        parts = module.split(".")
        ends = (".".join(parts[at:]) for at in range(1, len(parts)))
        found = [self.whole[module]] if module in self.whole else []
        found += [self.endings[end] for end in ends if end in self.endings]
        return [alpha for _, alpha in [min(found, key=lambda each: each[0])]] if found else []


def read_patterns(value: object) -> AlphaPatterns:
    """Return what a field says; nothing where it is not a table."""
    patterns = value if isinstance(value, Mapping) else {}
    whole: dict[str, tuple[int, Any]] = {}
    endings: dict[str, tuple[int, Any]] = {}
    others = 0
    for place, (key, alpha) in enumerate(patterns.items()):
        if not _PLAIN.match(key):
            others += 1
            continue
        name = key.removeprefix("^").removesuffix("$")
        whole.setdefault(name, (place, alpha))
        if not key.startswith("^"):
            endings.setdefault(name, (place, alpha))
    return AlphaPatterns(whole=whole, endings=endings, all_literal=not others)
