"""Layout `stacked_experts`: all experts of a layer in one tensor of three axes, seen as one matrix an expert.

Stacks are taken apart on both sides, whether or not the other has them: experts are compared one by one.

| stored | shape | where |
|---|---|---|
| `experts.gate_up_proj`, `input_linear` | [E, 2I, H] or [E, H, 2I] | transformers 5; Llama 4, gpt-oss; Granite MoE |
| `experts.down_proj`, `output_linear` | [E, H, I] or [E, I, H] | the same |
| `ffn_gate_exps`, `ffn_up_exps`, `ffn_down_exps` | [E, I, H], [E, I, H], [E, H, I] | GGUF |

Which of the two orientations it is follows from the length of the residual stream, for all stacks of a checkpoint
alike. Gate and up are two blocks, or every other row where the experts have biases (gpt-oss).
https://github.com/huggingface/transformers/blob/main/src/transformers/models/mixtral/modeling_mixtral.py
https://github.com/huggingface/transformers/blob/main/src/transformers/models/gpt_oss/modeling_gpt_oss.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fingerprints.checkpoint import TensorInfo
from fingerprints.layouts.expert_names import ROLES, expert_names
from fingerprints.layouts.layout_side import Collected, Fit, LayoutSide, Relaying
from fingerprints.layouts.row_map import RowMap, block
from fingerprints.layouts.views import OneOfStack, seen_as

MOST_VIEWS = 1 << 19
"""So many views are not made: a small file can name a great many small stacks."""
_STACK = re.compile(
    r"^(?P<at>(?:.*\.)?\d+\.)(?P<module>(?:[^.]+\.)*?)"
    r"(?:experts\.(?P<plain>gate_up_proj|gate_proj|up_proj|down_proj|w1|w2|w3)(?P<bias>_bias|\.bias)?(?:\.weight)?"
    r"|(?P<linear>input_linear|output_linear)\.weight"
    r"|ffn_(?P<gguf>gate_up|gate|up|down)_exps\.(?P<leaf>weight|bias))$"
)
_ROLES = {
    **ROLES,
    "gate_up_proj": "gate_up",
    "input_linear": "gate_up",
    "gate_up": "gate_up",
    "gate": "gate",
    "up": "up",
    "down": "down",
    "output_linear": "down",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """A stack's layer and module as paths with final dots, what it holds, and whether that is biases."""

    at: str
    module: str
    holds: str
    bias: bool


class StackedExperts:
    """See the module."""

    name = "stacked_experts"

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """One view an expert and matrix, called as the other side calls its experts, or as transformers does."""
        tensors = side.checkpoint.tensors
        stacks = {name: stack for name, info in tensors.items() if (stack := _stack(name, info)) is not None}
        if not stacks or sum(2 * tensors[name].shape[0] for name in stacks) > MOST_VIEWS:
            return Relaying()
        residual = _residual(side, {name: tensors[name] for name in stacks})
        turned = None if residual is None else _input_first(stacks, tensors, residual)
        if turned is None:
            return Relaying()
        biased = {(stack.at, stack.module) for stack in stacks.values() if stack.bias}
        called = expert_names(other)
        collected = Collected(side)
        for name, stack in stacks.items():
            info = tensors[name]
            length = info.shape[2] if turned and not stack.bias else info.shape[1]
            every_other = stack.holds == "gate_up" and (stack.at, stack.module) in biased
            parts = _parts(stack.holds, length, every_other=every_other)
            of_inputs = 1 if turned == (stack.holds != "down") else 2
            if parts is None or (not stack.bias and info.shape[of_inputs] != residual):
                continue
            collected.add(_taken_apart(info, stack, parts, called, turned=turned and not stack.bias))
        return collected.relaying(detail="inputs along the first axis of each expert" if turned else "")


def _stack(name: str, info: TensorInfo) -> _Stack | None:
    found = _STACK.match(name)
    if found is None or info.size == 0:
        return None
    bias = found["bias"] is not None or found["leaf"] == "bias"
    if len(info.shape) != (2 if bias else 3):
        return None
    holds = _ROLES[found["plain"] or found["linear"] or found["gguf"]]
    return _Stack(at=found["at"], module=found["module"], holds=holds, bias=bias)


def _residual(side: LayoutSide, stacks: Mapping[str, TensorInfo]) -> int | None:
    """Length of the residual stream: the one length that an axis of every stack has, or that layers have as well."""
    lengths = [set(info.shape[1:]) for info in stacks.values() if len(info.shape) == 3]
    common = set.intersection(*lengths) if lengths else set()
    if len(common) > 1:
        common &= {tower.residual for tower in side.anatomy.towers.values()}
    return next(iter(common)) if len(common) == 1 else None


def _input_first(stacks: Mapping[str, _Stack], tensors: Mapping[str, TensorInfo], residual: int) -> bool | None:
    """Whether inputs lie along the first axis of a matrix; by the stacks of which only one axis is the residual.

    None where they contradict one another, or where all are square.
    """
    votes: set[bool] = set()
    for name, stack in stacks.items():
        if not stack.bias and tensors[name].shape[1] != tensors[name].shape[2]:
            votes.add((tensors[name].shape[1] == residual) == (stack.holds != "down"))
    return next(iter(votes)) if len(votes) == 1 else None


def _parts(holds: str, length: int, *, every_other: bool) -> dict[str, RowMap] | None:
    if holds != "gate_up":
        return {holds: block(0, length)}
    if length % 2:
        return None
    half = length // 2
    if every_other:
        return {name: RowMap(start=at, count=half, run=1, stride=2) for at, name in enumerate(("gate", "up"))}
    return {"gate": block(0, half), "up": block(half, half)}


def _taken_apart(
    info: TensorInfo,
    stack: _Stack,
    parts: Mapping[str, RowMap],
    called: Mapping[str, tuple[str, str]],
    *,
    turned: bool,
) -> Fit:
    leaf = "bias" if stack.bias else "weight"
    inner = () if stack.bias else (info.shape[1] if turned else info.shape[2],)
    views = []
    for expert in range(info.shape[0]):
        for part, rows in parts.items():
            module, name = called.get(part, (f"{stack.module}experts.", f"{part}_proj"))
            label = f"{expert}:{rows.label}:{turned}"
            shown = seen_as(info, f"{stack.at}{module}{expert}.{name}.{leaf}", (rows.count, *inner), label)
            views.append(OneOfStack(info=shown, source=info.name, place=expert, rows=rows, turned=turned))
    return Fit(replaced=(info.name,), views=tuple(views))
