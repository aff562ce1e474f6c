"""The adapter that a checkpoint holds, alone or beside its base, as its tensors tell."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fingerprints.adapters.configuration import AdapterConfig, read_adapter_config
from fingerprints.adapters.joined import JoinedCheckpoint
from fingerprints.adapters.kind import AdaptedModule, AdapterKind
from fingerprints.adapters.learned_vectors import LearnedVectors
from fingerprints.adapters.low_rank import LowRank
from fingerprints.adapters.names import MARKS, AdapterName, parse_name
from fingerprints.checkpoint import Checkpoint
from fingerprints.readers.quoting import listed, quoted
from fingerprints.recorded_checkpoint import unrecorded

ADAPTERS: Final[tuple[AdapterKind, ...]] = (LowRank(), LearnedVectors())
"""Every kind of adapter, in the order in which they are asked."""
CLAIMED: Final = (
    "peft_type",
    "base_model_name_or_path",
    "revision",
    "r",
    "lora_alpha",
    "use_rslora",
    "use_dora",
    "fan_in_fan_out",
    "target_modules",
    "feedforward_modules",
    "modules_to_save",
    "task_type",
    "peft_version",
)
"""Fields of an adapter's configuration that reports show, as claims."""
_FILE: Final = "adapter_model"
_LONGEST: Final = 300
_MOST_NAMED: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """An adapter, and the checkpoint that holds it.

    `modules` are what it changes, by the base's name; `names` all tensors of `source`, taken apart; `others` the names
    of further adapters in the same file, of which none is then known to be active. `alone` says that there is no base.
    """

    source: Checkpoint
    config: AdapterConfig
    modules: Mapping[str, tuple[AdapterKind, AdaptedModule]]
    names: Mapping[str, AdapterName]
    others: tuple[str, ...]
    alone: bool

    @property
    def types(self) -> tuple[str, ...]:
        """The kinds that its tensors show, such as `DoRA`; else the one that its configuration names."""
        found = {str(kind.describe(module)["type"]) for kind, module in self.modules.values()}
        return tuple(sorted(found)) or self.config.names("peft_type")

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks of its products, distinct and sorted."""
        found = {kind.describe(module)["rank"] for kind, module in self.modules.values()}
        return tuple(sorted(rank for rank in found if rank is not None))

    @property
    def scales(self) -> tuple[float | None, ...]:
        """What its products are multiplied with, distinct and sorted; None where that is not known."""
        found = {kind.describe(each)["scale"] for kind, each in self.modules.values() if kind.describe(each)["rank"]}
        return tuple(sorted(found, key=lambda scale: (scale is None, scale or 0.0)))

    @property
    def targets(self) -> tuple[str, ...]:
        """Last components of the modules that it changes, distinct and sorted."""
        return tuple(sorted({module.rpartition(".")[2] for module in self.modules}))

    @property
    def saved(self) -> tuple[str, ...]:
        """Names, without wrapping, of the tensors that it holds in full beside its own parts."""
        return tuple(each.plain for each in self.names.values() if each.mark not in MARKS)

    @property
    def fields(self) -> Mapping[str, object]:
        """What its configuration says, as short plain data."""
        return {key: value for key in CLAIMED if (value := _plain(self.config.values.get(key))) is not None}

    @property
    def text(self) -> str:
        """Its type, ranks, targets, scales and sizes in words, as its tensors show them."""
        text = " and ".join(quoted(each, 40).strip("'") for each in self.types) or "an adapter of unknown type"
        if self.ranks:
            text += f" of rank {', '.join(map(str, self.ranks))}"
        if self.modules:
            targets = ", ".join(quoted(each, 40) for each in self.targets[:_MOST_NAMED])
            more = f" and {len(self.targets) - _MOST_NAMED} more" if len(self.targets) > _MOST_NAMED else ""
            text += f" on {_counted(len(self.modules), 'module')} ({targets}{more}), {self.parameters:,} parameters"
        if self.scales:
            scales = ["not known" if scale is None else f"{scale:.4g}" for scale in self.scales[:4]]
            text += f", scale {', '.join(scales)}"
        if self.alone and self.saved and self.modules:
            text += f"; {_counted(len(self.saved), 'tensor')} in full ({listed(self.saved, 4)})"
        return text

    @property
    def parameters(self) -> int:
        """Elements of the adapter's own parts."""
        tensors = self.source.tensors
        return sum(tensors[name].size for name, each in self.names.items() if each.mark in MARKS)


def read_adapter(checkpoint: Checkpoint) -> Adapter | None:
    """Return the adapter that a checkpoint holds, or None.

    It is alone where it makes up most of the tensors and most of what it changes is not there; or where it has the
    file name and the configuration of an adapter, whatever its kind.
    """
    marked = any(mark in name for name in checkpoint.tensors for mark in MARKS)
    by_name = bool(checkpoint.origin.shards) and checkpoint.origin.shards[0].rpartition("/")[2].startswith(_FILE)
    if not marked and not by_name:
        return None
    config = read_adapter_config(checkpoint.origin.path)
    joined = unrecorded(checkpoint)
    configs = joined.configs if isinstance(joined, JoinedCheckpoint) else {}
    config = next((each for each in configs.values() if each.values), config)
    names = {name: parse_name(name) for name in checkpoint.tensors}
    found: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for each in names.values():
        if each.mark in MARKS:
            found[each.adapter][each.module][each.mark] = each.name
    chosen = min(found, default="")
    modules: dict[str, tuple[AdapterKind, AdaptedModule]] = {}
    for module, parts in found[chosen].items():
        own = configs.get(module.partition(".")[0], config)
        candidate = AdaptedModule(module=module, source=checkpoint, parts=parts, config=own)
        kind = next((kind for kind in ADAPTERS if kind.holds(candidate)), None)
        if kind is not None:
            modules[module] = (kind, candidate)
    if not modules:
        if not (by_name and "peft_type" in config.values):
            return None
        return Adapter(source=checkpoint, config=config, modules={}, names=names, others=(), alone=True)
    weights = {each.module for each in names.values() if each.mark in ("", "base_layer")}
    parts_held = sum(each.mark in MARKS for each in names.values())
    named = by_name and "peft_type" in config.values
    alone = named or (2 * len(modules.keys() & weights) < len(modules) and 2 * parts_held > len(names))
    others = tuple(sorted(found.keys() - {chosen}))
    return Adapter(source=checkpoint, config=config, modules=modules, names=names, others=others, alone=alone)


def _plain(value: object) -> object:
    """A value as short plain data; None for anything missing, nested or long."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        value = ", ".join(sorted(value))
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float) else None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
