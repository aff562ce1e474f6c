"""Canonical roles of transformer tensors, whatever their names.

The spellings come from the name table of the `gguf` package (llama.cpp, MIT) and from `data/roles.json`; roles carry
gguf's names in lower case (`attn_q`, `ffn_gate`). A role is found by the longest known ending of a name, so wrapper
prefixes (`module.`, `bert.`, `base_model.model.`) do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import product

from fingerprints.templates import SLOT


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTable:
    """Known endings of module paths and the role each stands for.

    `axes` maps a role to the meaning of its axes, output axis first. `in_layer` endings follow a layer number,
    `outside` ones do not.
    """

    axes: Mapping[str, tuple[str, ...]]
    in_layer: Mapping[str, str]
    outside: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleMatch:
    """A role, and where its layer stands: `tower` is the path of the stack, `layer` the number in it."""

    role: str
    tower: str
    layer: int | None
    expert: int | None


def _canonical(gguf_name: str, known: Mapping[str, tuple[str, ...]]) -> str | None:
    """Our role for a gguf role name; None for roles whose axes are not known."""
    name = gguf_name.lower()
    for prefix in ("enc_", "dec_"):
        name = name.removeprefix(prefix)
    name = {"pos_embd": "position_embd"}.get(name, name)
    for suffix in ("_exp", "_exps", "_shexp"):
        name = name.removesuffix(suffix)
    return name if name in known else None


@cache
def role_table() -> RoleTable:
    """The table, read once."""
    from gguf.constants import TENSOR_NAMES  # deferred: the package's import costs a tenth of a second
    from gguf.tensor_mapping import TensorNameMap

    own = json.loads(resources.files("fingerprints").joinpath("data/roles.json").read_text("utf-8"))
    axes = {role: tuple(meaning) for role, meaning in own["axes"].items()}
    rank = {role: place for place, role in enumerate(axes)}
    in_layer: dict[str, str] = {}
    outside: dict[str, str] = {}
    for table, mapping in (
        (in_layer, TensorNameMap.block_mappings_cfg),
        (outside, TensorNameMap.mappings_cfg),
    ):
        for tensor, spellings in mapping.items():
            role = _canonical(tensor.name, axes)
            if role is None:
                continue
            for spelling in spellings:
                ending = spelling.partition("{bid}.")[2] if "{bid}." in spelling else spelling
                if ending not in table or rank[role] < rank[table[ending]]:
                    table[ending] = role
    for tensor, name in TENSOR_NAMES.items():
        role = _canonical(tensor.name, axes)
        if role is None:
            continue
        in_block = name.removeprefix("blk.{bid}.")
        if in_block != name:
            in_layer.setdefault(in_block, role)
        elif "." not in name:
            outside.setdefault(name, role)
    for role, spelt in own["in_layer_combined"].items():
        in_layer |= {f"{module}.{name}": role for module, name in product(spelt["modules"], spelt["names"])}
    return RoleTable(axes=axes, in_layer={**in_layer, **own["in_layer"]}, outside={**outside, **own["outside"]})


def _is_expert(path: list[str]) -> bool:
    """Whether a number below this path is that of an expert; DBRX converted to single experts has `experts.mlp.3`."""
    return path[-1:] == ["experts"] or path[-2:] == ["experts", "mlp"]


def match_role(module: str) -> RoleMatch | None:
    """The role of a module path such as `bert.encoder.layer.3.attention.self.query`.

    Parameters
    ----------
    module : str
        A tensor's name without `.weight` or `.bias`.

    Returns
    -------
    RoleMatch or None
        None when no known ending fits.
    """
    table = role_table()
    parts = module.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isascii() and part.isdigit() and len(part) < 10]
    expert = next((place for place in numbers if _is_expert(parts[:place])), None)
    shown = list(parts)
    if expert is not None:
        shown[expert] = SLOT
        numbers.remove(expert)
    for start in range(len(parts)):
        ending = ".".join(shown[start:])
        before = [place for place in numbers if place < start]
        role = table.in_layer.get(ending) if before else table.outside.get(ending)
        if role is not None:
            return RoleMatch(
                role=role,
                tower=".".join(parts[: before[-1]]) if before else "",
                layer=int(parts[before[-1]]) if before else None,
                expert=int(parts[expert]) if expert is not None else None,
            )
    return None
