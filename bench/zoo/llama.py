"""A Llama in plain torch: RMSNorm, rotary positions, grouped-query attention, SwiGLU, untied head.

The names in its state dict are those of Hugging Face's `LlamaForCausalLM`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaConfig:
    """Sizes of a Llama. The defaults are those of the demo checkpoints."""

    layers: int = 4
    hidden: int = 128
    intermediate: int = 352
    heads: int = 4
    kv_heads: int = 2
    vocabulary: int = 260
    """256 bytes and four ids that no text uses."""
    theta: float = 10_000.0
    eps: float = 1e-5

    def to_json(self) -> dict[str, Any]:
        """The `config.json` that Hugging Face writes for these sizes."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "initializer_range": 0.02,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": 64,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "rms_norm_eps": self.eps,
            "rope_theta": self.theta,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "vocab_size": self.vocabulary,
        }


class Llama(nn.Module):
    """Language model; `forward` gives logits of shape (batch, length, vocabulary)."""

    def __init__(self, config: LlamaConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden, config.vocabulary, bias=False)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, 0.0, 0.02, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token, (batch, length, vocabulary)."""
        return self.lm_head(self.model(tokens))

    def loss(self, tokens: Tensor) -> Tensor:
        """Mean cross entropy of each next token, nats; `tokens` has one column more than is predicted."""
        return F.cross_entropy(self(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())


class Decoder(nn.Module):
    """Embedding, blocks and final norm."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.hidden)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.hidden, eps=config.eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """Residual stream behind the final norm, (batch, length, hidden)."""
        rotary = rotation(tokens.shape[1], self.config.hidden // self.config.heads, self.config.theta)
        stream = self.embed_tokens(tokens)
        for layer in self.layers:
            stream = layer(stream, rotary)
        return self.norm(stream)


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the residual stream."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = nn.RMSNorm(config.hidden, eps=config.eps)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden, eps=config.eps)

    def forward(self, stream: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """The stream with both parts added."""
        stream = stream + self.self_attn(self.input_layernorm(stream), rotary)
        return stream + self.mlp(self.post_attention_layernorm(stream))


class Attention(nn.Module):
    """Causal attention whose query heads share key and value heads in groups."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.head = config.hidden // config.heads
        self.q_proj = nn.Linear(config.hidden, config.heads * self.head, bias=False)
        self.k_proj = nn.Linear(config.hidden, config.kv_heads * self.head, bias=False)
        self.v_proj = nn.Linear(config.hidden, config.kv_heads * self.head, bias=False)
        self.o_proj = nn.Linear(config.heads * self.head, config.hidden, bias=False)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """What attention adds to the stream."""
        q, k, v = (
            projection(x).unflatten(-1, (-1, self.head)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(
            rotated(q, *rotary), rotated(k, *rotary), v, is_causal=True, enable_gqa=True
        )
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.intermediate, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.intermediate, bias=False)
        self.down_proj = nn.Linear(config.intermediate, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """What the MLP adds to the stream."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def rotation(length: int, head: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each (length, head), in Hugging Face's half-split order."""
    frequencies = theta ** (-torch.arange(0, head, 2) / head)
    angles = torch.outer(torch.arange(length), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x`, (..., length, head), turned by its position's angles."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
