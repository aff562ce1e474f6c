"""A BERT in plain torch: learned positions, post-norm blocks, GELU, masked-byte training.

The names in its state dict are those of Hugging Face's `BertForMaskedLM`; the decoder is tied to the embedding.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bench.zoo import text

HIDDEN, INTERMEDIATE, HEADS, LAYERS = 64, 128, 4, 2
VOCABULARY, POSITIONS = 260, 48
MASK = 256
MASKED_SHARE = 0.15
NOT_PREDICTED = -100
EPS = 1e-12


class Bert(nn.Module):
    """Masked language model over bytes."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.bert = nn.ModuleDict({"embeddings": Embeddings(), "encoder": Encoder()})
        self.cls = nn.ModuleDict({"predictions": Predictions()})
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, 0.0, 0.02, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of every position, (batch, length, vocabulary)."""
        stream = self.bert["encoder"](self.bert["embeddings"](tokens))
        return self.cls["predictions"](stream, self.bert["embeddings"].word_embeddings.weight)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Mean cross entropy of the masked bytes, nats."""
        tokens, targets = batch
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten(), ignore_index=NOT_PREDICTED)


class Embeddings(nn.Module):
    """Bytes, positions and one segment, summed and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, HIDDEN)
        self.position_embeddings = nn.Embedding(POSITIONS, HIDDEN)
        self.token_type_embeddings = nn.Embedding(2, HIDDEN)
        self.LayerNorm = nn.LayerNorm(HIDDEN, eps=EPS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Start of the residual stream."""
        positions = self.position_embeddings.weight[: tokens.shape[1]]
        return self.LayerNorm(self.word_embeddings(tokens) + positions + self.token_type_embeddings.weight[0])


class Encoder(nn.Module):
    """The blocks, under the name `layer`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block() for _ in range(LAYERS))

    def forward(self, stream: Tensor) -> Tensor:
        """The stream behind the last block."""
        for block in self.layer:
            stream = block(stream)
        return stream


class Block(nn.Module):
    """Attention, then MLP, each followed by a norm over the sum."""

    def __init__(self) -> None:
        super().__init__()
        names = ("query", "key", "value")
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict({name: nn.Linear(HIDDEN, HIDDEN) for name in names}), "output": Output(HIDDEN)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(HIDDEN, INTERMEDIATE)})
        self.output = Output(INTERMEDIATE)

    def forward(self, stream: Tensor) -> Tensor:
        """The stream behind both norms."""
        q, k, v = (
            projection(stream).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for projection in self.attention["self"].values()
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        stream = self.attention["output"](mixed, stream)
        return self.output(F.gelu(self.intermediate["dense"](stream)), stream)


class Output(nn.Module):
    """Projection back to the stream, sum and norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, HIDDEN)
        self.LayerNorm = nn.LayerNorm(HIDDEN, eps=EPS)

    def forward(self, x: Tensor, stream: Tensor) -> Tensor:
        """The normalised sum."""
        return self.LayerNorm(self.dense(x) + stream)


class Predictions(nn.Module):
    """Head: one dense layer, a norm, and the transposed embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))
        self.transform = nn.ModuleDict({"dense": nn.Linear(HIDDEN, HIDDEN), "LayerNorm": nn.LayerNorm(HIDDEN, eps=EPS)})

    def forward(self, stream: Tensor, embedding: Tensor) -> Tensor:
        """Logits."""
        hidden = self.transform["LayerNorm"](F.gelu(self.transform["dense"](stream)))
        return F.linear(hidden, embedding, self.bias)


def build(generator: torch.Generator) -> Bert:
    """An untrained model: weights N(0, .02), biases zero."""
    model = Bert(generator)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    return model


def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sixteen windows with 15 % of their bytes masked, and the masked bytes."""
    tokens = text.windows(text.pretraining(), 16, POSITIONS, generator)
    masked = torch.rand(tokens.shape, generator=generator) < MASKED_SHARE
    return tokens.masked_fill(masked, MASK), tokens.masked_fill(~masked, NOT_PREDICTED)


def config() -> dict[str, Any]:
    """`config.json` of these sizes."""
    return {
        "architectures": ["BertForMaskedLM"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": EPS,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "torch_dtype": "float16",
        "type_vocab_size": 2,
        "vocab_size": VOCABULARY,
    }
