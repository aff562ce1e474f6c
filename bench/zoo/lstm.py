"""A recurrent language model over bytes: embedding, two LSTM layers, linear head."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bench.zoo import text

VOCABULARY, EMBEDDING, HIDDEN, LAYERS = 256, 24, 40, 2
LENGTH = 32


class LSTM(nn.Module):
    """Language model named as torch names its LSTM: `lstm.weight_ih_l0` and so on."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, LAYERS, batch_first=True)
        self.fc = nn.Linear(HIDDEN, VOCABULARY)
        nn.init.normal_(self.embedding.weight, 0.0, 1.0, generator=generator)
        bound = 1 / math.sqrt(HIDDEN)
        for parameter in (*self.lstm.parameters(), *self.fc.parameters()):
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next byte, (batch, length, vocabulary)."""
        states, _ = self.lstm(self.embedding(tokens))
        return self.fc(states)

    def loss(self, tokens: Tensor) -> Tensor:
        """Mean cross entropy of each next byte, nats."""
        return F.cross_entropy(self(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())


def build(generator: torch.Generator) -> LSTM:
    """An untrained model; uniform weights and biases as `nn.LSTM` has them."""
    return LSTM(generator)


def batch(generator: torch.Generator) -> Tensor:
    """Sixteen windows of text, one byte longer than what is predicted."""
    return text.windows(text.pretraining(), 16, LENGTH + 1, generator)
