"""Finding the weights in what a pickle holds: state dicts at any depth, whole modules, several sets side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fingerprints.readers.pickle_objects import Placeholder, TensorView

WEIGHT_KEYS: Final = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "params",
    "weights",
    "ema_state_dict",
    "model_ema",
    "params_ema",
    "ema",
)
"""Keys under which checkpoints keep weights, the one to use first."""

_NEVER_WEIGHTS: Final = (
    "optim",
    "lr_sched",
    "scheduler",
    "callbacks",
    "loops",
    "param_groups",
    "exp_avg",
    "hyper_parameters",
    "hparams",
    "rng",
    "random",
    "scaler",
    "grad_scaler",
    "amp",
    "args",
    "config",
)
"""How the keys of training state begin; containers under them are never read as weights."""

_MAX_DEPTH: Final = 4
_MAX_MODULES_DEPTH: Final = 48
_MAX_NODES: Final = 2_000_000
_MAX_NAME: Final = 1024

Tensors = dict[str, TensorView]


class TooManyNodes(Exception):
    """The objects refer to each other in more ways than can be followed."""


def find_weights(root: object) -> dict[str, Tensors]:
    """Return the sets of tensors in what a pickle holds, by label, the one to use first.

    A single set is labelled with the empty string. Keys that are not text, and training state, are left out.
    """
    if isinstance(root, TensorView):
        return {"": {"tensor": root}}
    return {label: tensors for label, tensors in _Walk().containers(root, 0).items() if tensors}


class _Walk:
    def __init__(self) -> None:
        self._nodes = 0

    def containers(self, node: object, depth: int) -> dict[str, Tensors]:
        if isinstance(node, list | tuple) and depth < _MAX_DEPTH:
            found = [inner for item in node[:16] if (inner := self.containers(item, depth + 1))]
            return found[0] if len(found) == 1 else {}
        entries = _entries(node)
        if entries is None or _is_module(node):
            return {"": tensors} if (tensors := self.tensors(node, "", 0)) else {}
        self._count(len(entries))
        if _is_optimizer(entries):
            return {}
        named = [key for key in WEIGHT_KEYS if _entries(entries.get(key)) is not None] if depth < _MAX_DEPTH else []
        sets: dict[str, Tensors] = {}
        for key in named:
            for label, tensors in self.containers(entries[key], depth + 1).items():
                sets[f"{key}.{label}" if label else key] = tensors
        if not sets:
            return {"": tensors} if (tensors := self.tensors(node, "", 0)) else {}
        others = sorted(key for key in entries if isinstance(key, str) and key not in named and len(key) <= _MAX_NAME)
        for key in others:
            if _entries(entries[key]) is not None and not _is_training_state(key):
                tensors = self.tensors(entries[key], "", 0)
                if tensors:
                    sets[key] = tensors
        return {"": next(iter(sets.values()))} if len(sets) == 1 else sets

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _MAX_NODES:
            raise TooManyNodes(_MAX_NODES)

    def tensors(self, node: object, prefix: str, depth: int) -> Tensors:
        """Collect the tensors below a node, named by the keys that lead to them."""
        found: Tensors = {}
        if depth > _MAX_MODULES_DEPTH:
            return found
        pairs = _children(node)
        self._count(1 + len(pairs))
        for key, value in pairs:
            if not isinstance(key, str) or not _is_text(key):
                continue
            name = prefix + key
            if len(name) > _MAX_NAME:
                continue
            if isinstance(value, TensorView):
                found.setdefault(name, value)
            elif isinstance(value, dict | Placeholder) and not (isinstance(value, dict) and _is_training_state(key)):
                for inner, view in self.tensors(value, f"{name}.", depth + 1).items():
                    found.setdefault(inner, view)
        return found


def _children(node: object) -> Sequence[tuple[Any, Any]]:
    if isinstance(node, Placeholder) and _is_module(node):
        state = _state(node)
        if "_parameters" in state:
            fleeting = state.get("_non_persistent_buffers_set")
            named = fleeting.args[0] if isinstance(fleeting, Placeholder) and fleeting.args else ()
            left_out = {item for item in named[:_MAX_NAME] if isinstance(item, str)} if isinstance(named, list) else ()
            buffers = [item for item in _items(state.get("_buffers")) if item[0] not in left_out]
            return [*_items(state.get("_parameters")), *buffers, *_items(state.get("_modules"))]
    return list(_items(node))


def _items(node: object) -> Iterable[tuple[Any, Any]]:
    entries = _entries(node)
    return () if entries is None else entries.items()


def _entries(node: object) -> Mapping[Any, Any] | None:
    if isinstance(node, dict):
        return node
    if isinstance(node, Placeholder):
        return _state(node) if _is_module(node) else node.entries or None
    return None


def _is_module(node: object) -> bool:
    """Whether a node stands for a pickled `torch.nn.Module`, or for one that was scripted."""
    return isinstance(node, Placeholder) and (
        node.origin.module.startswith("__torch__") or isinstance(_state(node).get("_parameters"), dict)
    )


def _state(node: Placeholder) -> Mapping[Any, Any]:
    """Return the attributes of an object; a state is a dict, or a tuple of one and that of its slots."""
    if not node.state:
        return {}
    state = node.state[-1]
    parts = state[:2] if isinstance(state, tuple) else (state,)
    return next((part for part in parts if isinstance(part, dict)), {})


def _is_optimizer(entries: Mapping[Any, Any]) -> bool:
    return "param_groups" in entries and "state" in entries


def _is_training_state(key: str) -> bool:
    return key.lower().startswith(_NEVER_WEIGHTS)


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
