"""The layouts of the zoo's families: where the spaces of a model are in its state dict, one file an architecture."""

from __future__ import annotations

from collections.abc import Callable

from bench.zoo.layouts.bert import bert
from bench.zoo.layouts.gated import gated
from bench.zoo.layouts.gpt2 import gpt2
from bench.zoo.layouts.resnet import resnet
from bench.zoo.layouts.space import Config, Layout, Names

LAYOUTS: dict[str, Callable[[Config, Names], Layout]] = {
    "llama": gated,
    "qwen2": gated,
    "mixtral": gated,
    "gpt2": gpt2,
    "bert": bert,
    "resnet": resnet,
}
"""What finds the layout, by the config's `model_type`."""


def layout(config: Config, names: Names) -> Layout:
    """The layout of a checkpoint as the `transformers` library writes it, from its config and its tensors' names."""
    return LAYOUTS[config["model_type"]](config, names)
