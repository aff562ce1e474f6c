"""Names and shapes of one model from its configuration, without a single value."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion

from bench.catalogue.by_hand import BY_HAND
from fingerprints.axes import AxisPlan, plan_axes
from fingerprints.fingerprint.taking import ENTRIES, LAYERS, ROWS
from fingerprints.pairing import Pair, PairBasis
from fingerprints.selection import select
from fingerprints.templates import templates
from provenance.identification.catalogue import anatomy_of

FIELDS = {
    "layers": "num_hidden_layers",
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "vocab_size": "vocab_size",
    "max_positions": "max_position_embeddings",
}
ALIASES = {"minicpm": "llama", "ministral": "mistral"}
ARCHITECTURES = {"MiniCPMForCausalLM": "LlamaForCausalLM"}
"""Code that is not in the library, and whose tensors are another's."""
COMPOSITE = {"mistral3", "gemma3", "qwen3_5"}
"""Their other towers are not in the table, and the library's defaults are not theirs."""
PARTIAL = {"deepseek_v2", "granitemoehybrid", "lfm2"}
"""Experts, low ranks or the kinds of layers are not in the table."""
FARTHEST = 0.05
"""How far a model's count of parameters may be from what its publishers say."""
NO_HEAD_DIM = {"bert", "roberta", "xlm-roberta", "gpt2", "gptj", "gpt_neox", "bloom", "falcon", "phi", "phi3"}
LEARNED_POSITIONS = {"bert", "roberta", "xlm-roberta", "gpt2", "gptj", "opt"}


class Unknown(Exception):
    """A model whose names and shapes the table does not determine."""


def layout_of(row: Mapping[str, str]) -> dict[str, Any]:
    """The catalogue's entry for one row of the table.

    Raises
    ------
    Unknown
        When its configuration does not say enough.
    """
    kind = ALIASES.get(row["model_type"], row["model_type"])
    if kind in BY_HAND:
        shapes = BY_HAND[kind](row)
    elif kind in COMPOSITE:
        raise Unknown("its other towers are not in the table")
    elif kind in PARTIAL:
        raise Unknown("its kinds of layers are not in the table")
    else:
        shapes = _by_library(kind, row)
    _check(shapes, row)
    return {
        "name": row["hub_id"],
        "family": row["family"],
        "licence": row["licence"],
        "templates": packed(shapes),
        "fingerprint_bytes": fingerprint_bytes(row["hub_id"], shapes),
    }


def _by_library(kind: str, row: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    values: dict[str, Any] = {name: int(row[column]) for column, name in FIELDS.items() if row[column] not in ("", "0")}
    if kind in NO_HEAD_DIM:
        values.pop("head_dim", None)
    if kind not in LEARNED_POSITIONS:
        values.pop("max_position_embeddings", None)
    if row["tied_embeddings"]:
        values["tie_word_embeddings"] = row["tied_embeddings"] == "True"
    values |= json.loads(row["config"] or "{}")
    try:
        config = transformers.AutoConfig.for_model(kind, **values)
    except ValueError as error:
        raise Unknown("the library does not have this type") from error
    wanted = {name: value for name, value in values.items() if isinstance(value, int)}
    wrong = [name for name, value in wanted.items() if getattr(config, name, value) != value]
    if wrong:
        raise Unknown(f"the library's configuration has another {wrong[0]}")
    if kind == "t5":
        config.num_decoder_layers = config.num_layers
    model_class = getattr(transformers, ARCHITECTURES.get(row["architecture"], row["architecture"]), None)
    if model_class is None:
        raise Unknown(f"the library has no {row['architecture']}")
    with torch.device("meta"):
        model = model_class(config)
    state = model.state_dict()
    tied = set(model._tied_weights_keys or {}) if getattr(config, "tie_word_embeddings", False) else set()
    first: dict[int, str] = {}
    for name, value in (*model.named_parameters(remove_duplicate=False), *model.named_buffers()):
        if name not in tied:
            first.setdefault(id(value), name)
    state = {key: state[key] for key in state if key in first.values()}
    state = revert_weight_conversion(model, state)
    return {key: tuple(value.shape) for key, value in state.items()}


def _check(shapes: Mapping[str, Sequence[int]], row: Mapping[str, str]) -> None:
    """Hold the shapes against the count of parameters that the publishers state, where the table has it."""
    if not row["millions"]:
        return
    counted, published = sum(map(prod, shapes.values())) / 1e6, float(row["millions"])
    if abs(counted / published - 1) > FARTHEST:
        raise Unknown(f"{counted:,.0f} million parameters, where {published:,.0f} are published")


def packed(shapes: Mapping[str, Sequence[int]]) -> list[Any]:
    """Names as patterns with their numbers, where all combinations are there; one pattern a name elsewhere."""
    grouped: dict[tuple[str, tuple[int, ...]], list[tuple[int, ...]]] = defaultdict(list)
    for name, (template, index) in templates(dict.fromkeys(sorted(shapes))).items():
        pattern = template.replace("{i}", "{}")
        if pattern.format(*index) != name:
            pattern, index = name, ()
        grouped[pattern, tuple(shapes[name])].append(index)
    found: list[Any] = []
    for (pattern, shape), indices in sorted(grouped.items()):
        numbers = [sorted({index[place] for index in indices}) for place in range(len(indices[0]))]
        if len(list(product(*numbers))) == len(set(indices)):
            found.append([pattern, [_short(each) for each in numbers], list(shape)])
        else:
            found += [[pattern.format(*index), [], list(shape)] for index in sorted(indices)]
    return found


def _short(numbers: list[int]) -> int | list[int]:
    return len(numbers) if numbers == list(range(len(numbers))) else numbers


def fingerprint_bytes(name: str, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """About how large a fingerprint of it is."""
    anatomy = anatomy_of(name, shapes)
    pairs = [Pair(a=part, b=part, basis=PairBasis.NAME) for part in anatomy.parts.values()]
    plans = plan_axes(pairs, anatomy, anatomy)
    chosen, _ = select(pairs, {pair.a.name: AxisPlan(tests=()) for pair in pairs}, LAYERS)
    total = 24 * len(chosen) + 8 * len(pairs)
    for pair in chosen:
        if pair.a.name in plans:
            tests = plans[pair.a.name].tests
            total += sum(min(ROWS, test.units) * 68 for test in tests)
        else:
            total += 2 * min(ENTRIES, pair.a.info.size)
    return total
