"""A GPT-2 in plain torch: learned positions, pre-norm blocks, weights stored [in, out], head tied to the embedding.

The names in its state dict are those of Hugging Face's `GPT2LMHeadModel`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bench.zoo import text

HIDDEN, INTERMEDIATE, HEADS, LAYERS = 64, 128, 4, 2
VOCABULARY, POSITIONS = 260, 48


class Conv1D(nn.Module):
    """Linear layer whose weight is [in, out]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """`x` times the weight, plus the bias."""
        return x @ self.weight + self.bias


class Block(nn.Module):
    """Attention and MLP, each behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(HIDDEN)
        self.attn = nn.ModuleDict({"c_attn": Conv1D(HIDDEN, 3 * HIDDEN), "c_proj": Conv1D(HIDDEN, HIDDEN)})
        self.ln_2 = nn.LayerNorm(HIDDEN)
        self.mlp = nn.ModuleDict({"c_fc": Conv1D(HIDDEN, INTERMEDIATE), "c_proj": Conv1D(INTERMEDIATE, HIDDEN)})

    def forward(self, stream: Tensor) -> Tensor:
        """The stream with both parts added."""
        q, k, v = (
            part.unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for part in self.attn["c_attn"](self.ln_1(stream)).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        stream = stream + self.attn["c_proj"](mixed)
        return stream + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(stream)), approximate="tanh"))


class GPT2(nn.Module):
    """Language model over bytes."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(VOCABULARY, HIDDEN),
                "wpe": nn.Embedding(POSITIONS, HIDDEN),
                "h": nn.ModuleList(Block() for _ in range(LAYERS)),
                "ln_f": nn.LayerNorm(HIDDEN),
            }
        )
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                # As in the original: what writes to the stream starts smaller the deeper the model is.
                scale = 0.02 / (2 * LAYERS) ** 0.5 if name.endswith("c_proj.weight") else 0.02
                nn.init.normal_(parameter, 0.0, scale, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token, (batch, length, vocabulary)."""
        stream = self.transformer["wte"](tokens) + self.transformer["wpe"].weight[: tokens.shape[1]]
        for block in self.transformer["h"]:
            stream = block(stream)
        return F.linear(self.transformer["ln_f"](stream), self.transformer["wte"].weight)

    def loss(self, tokens: Tensor) -> Tensor:
        """Mean cross entropy of each next byte, nats."""
        return F.cross_entropy(self(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())


def build(generator: torch.Generator) -> GPT2:
    """An untrained model."""
    return GPT2(generator)


def batch(generator: torch.Generator) -> Tensor:
    """Eight windows of text, one byte longer than what is predicted."""
    return text.windows(text.pretraining(), 8, POSITIONS + 1, generator)


def config() -> dict[str, Any]:
    """`config.json` of these sizes."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "n_embd": HIDDEN,
        "n_head": HEADS,
        "n_inner": INTERMEDIATE,
        "n_layer": LAYERS,
        "n_positions": POSITIONS,
        "torch_dtype": "float16",
        "vocab_size": VOCABULARY,
    }
