"""Layout `neighbouring_experts`: all experts of a layer below one another in one matrix, seen as one matrix an expert.

DBRX stores `experts.mlp.w1`, `v1` and `w2` as [E·I, H] each: gate and up of an expert are I rows of the first two, its
down projection is I rows of the third, turned. How many experts there are is told by the rows of the router beside
them, and by nothing else: without a router of H inputs whose rows divide E·I, the matrices stay as they are. They are
taken apart whatever the other side has, as stacks of experts are. A row of a down projection costs its expert.
https://github.com/huggingface/transformers/blob/main/src/transformers/models/dbrx/modeling_dbrx.py
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from fingerprints.checkpoint import TensorInfo
from fingerprints.layouts.expert_names import ROLES, expert_names
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.row_map import block
from fingerprints.layouts.stacked_experts import MOST_VIEWS
from fingerprints.layouts.views import PartOfRows, seen_as

_PART: Final = re.compile(
    r"^(?P<at>(?:.*\.)?\d+\.)(?P<module>(?:[^.]+\.)*?)experts\.mlp\.(?P<called>w1|v1|w2)(?:\.weight)?$"
)
_ROUTERS: Final = ("router.layer.weight", "router.weight", "gate.weight")

Place = tuple[str, str]
"""A layer, and the module in it that has experts: paths with final dots."""


class NeighbouringExperts:
    """See the module."""

    name = "neighbouring_experts"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """One view an expert and matrix, called as the other side calls its experts, or as transformers does."""
        tensors = side.checkpoint.tensors
        places: dict[Place, dict[str, TensorInfo]] = defaultdict(dict)
        for name, info in tensors.items():
            if found := _PART.match(name):
                places[found["at"], found["module"]][ROLES[found["called"]]] = info
        experts = {place: _experts(tensors, place, parts) for place, parts in places.items()}
        if 3 * sum(experts.values()) > MOST_VIEWS:
            return Relaying()
        called = expert_names(other)
        collected = Collected(side)
        for place, count in experts.items():
            if count:
                collected.add(_taken_apart(place, places[place], called, count))
        return collected.relaying()


def _experts(tensors: Mapping[str, TensorInfo], place: Place, parts: Mapping[str, TensorInfo]) -> int:
    """How many experts the router says, 0 where there is none or it does not fit the matrices."""
    routers = [info for end in _ROUTERS if (info := tensors.get("".join(place) + end)) is not None]
    shapes = {info.shape for info in parts.values()}
    if len(routers) != 1 or len(parts) != 3 or len(shapes) != 1:
        return 0
    shape, router = shapes.pop(), routers[0].shape
    if len(shape) != 2 or len(router) != 2 or 0 in (*shape, *router):
        return 0
    return router[0] if router[1] == shape[1] and shape[0] % router[0] == 0 else 0


def _taken_apart(
    place: Place, parts: Mapping[str, TensorInfo], called: Mapping[str, tuple[str, str]], experts: int
) -> Fit:
    at, module = place
    views = []
    for expert in range(experts):
        for role, info in parts.items():
            height, width = info.shape[0] // experts, info.shape[1]
            rows = block(expert * height, height)
            path, name = called.get(role, (f"{module}experts.", f"{role}_proj"))
            turned = role == "down"
            shape = (width, height) if turned else (height, width)
            shown = seen_as(info, f"{at}{path}{expert}.{name}.weight", shape, f"{rows.label}:{turned}")
            views.append(PartOfRows(info=shown, source=info.name, rows=rows, turned=turned))
    return Fit(replaced=tuple(info.name for info in parts.values()), views=tuple(views))
