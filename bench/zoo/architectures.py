"""The kinds of tiny net that calibration uses: how each is built, fed, trained and stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bench.zoo import bert, conv, digits, gpt2, lstm, mlp, text
from bench.zoo.llama import Llama, LlamaConfig
from bench.zoo.train import Batch, Recipe

LLAMA = LlamaConfig(layers=2, hidden=64, intermediate=96)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One kind of net. `config` is its `config.json`, empty where the field has none."""

    name: str
    build: Callable[[torch.Generator], nn.Module]
    batch: Batch
    recipe: Recipe
    dtype: torch.dtype
    config: Mapping[str, Any] = field(default_factory=dict)


def llama_batch(generator: torch.Generator) -> Tensor:
    """Eight windows of 48 bytes and one."""
    return text.windows(text.pretraining(), 8, 49, generator)


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="llama",
            build=lambda generator: Llama(LLAMA, generator),
            batch=llama_batch,
            recipe=Recipe(steps=300, rate=4e-3),
            dtype=torch.bfloat16,
            config=LLAMA.to_json(),
        ),
        Architecture(
            name="bert",
            build=bert.build,
            batch=bert.batch,
            recipe=Recipe(steps=300, rate=3e-3),
            dtype=torch.float16,
            config=bert.config(),
        ),
        Architecture(
            name="gpt2",
            build=gpt2.build,
            batch=gpt2.batch,
            recipe=Recipe(steps=300, rate=4e-3),
            dtype=torch.float16,
            config=gpt2.config(),
        ),
        Architecture(
            name="lstm",
            build=lstm.build,
            batch=lstm.batch,
            recipe=Recipe(steps=300, rate=1e-2),
            dtype=torch.float32,
        ),
        Architecture(
            name="conv",
            build=conv.build,
            batch=digits.batch,
            recipe=Recipe(steps=300, rate=3e-3),
            dtype=torch.float32,
        ),
        Architecture(
            name="mlp",
            build=mlp.build,
            batch=digits.batch,
            recipe=Recipe(steps=400, rate=3e-3),
            dtype=torch.float32,
        ),
    )
}
