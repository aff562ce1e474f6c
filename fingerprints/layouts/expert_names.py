"""What the matrices of single experts are called: `experts.3.w1.weight`, `experts.mlp.3.v1.weight`, …"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Final

from fingerprints.layouts.layout_side import LayoutSide

ROLES: Final = {
    "gate_proj": "gate",
    "w1": "gate",
    "up_proj": "up",
    "w3": "up",
    "v1": "up",
    "down_proj": "down",
    "w2": "down",
}
"""What a matrix of an expert is, by its name: Mixtral has w1, w3, w2, DBRX w1, v1, w2."""
_ONE: Final = re.compile(
    rf"^(?:.*\.)?\d+\.(?P<module>(?:[^.]+\.)*?experts\.(?:mlp\.)?)\d+\.(?P<called>{'|'.join(ROLES)})\.weight$"
)


def expert_names(other: LayoutSide | None) -> dict[str, tuple[str, str]]:
    """What the other side calls the matrices of one expert: the path between layer and number, and the name after it.

    Empty unless it has one spelling for each.
    """
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for name in other.checkpoint.tensors if other else ():
        if match := _ONE.match(name):
            found[ROLES[match["called"]]].add((match["module"], match["called"]))
    single = {role: next(iter(spellings)) for role, spellings in found.items() if len(spellings) == 1}
    return single if single.keys() == {"gate", "up", "down"} else {}
