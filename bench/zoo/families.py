"""The families of the zoo: models of the `transformers` library, how each is built, fed and trained.

All are small. What makes them real is that their architecture, initialisation, tensor names and files are the
library's own, and that they are trained until they have learned their text (or digits) well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertLMHeadModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    ResNetConfig,
    ResNetForImageClassification,
)

from bench.zoo import digits, text, tokenizer
from bench.zoo.train import Recipe

LENGTH, BATCH = 64, 8

WIDTHS = {"hidden_size": 96, "num_attention_heads": 4, "vocab_size": tokenizer.VOCABULARY}
SPECIAL = {"bos_token_id": tokenizer.START, "eos_token_id": tokenizer.END, "pad_token_id": tokenizer.PAD}
GROUPED = {**WIDTHS, **SPECIAL, "num_key_value_heads": 2, "max_position_embeddings": 256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One architecture and its recipe. `text` is false for a model of images."""

    name: str
    model: type[PreTrainedModel]
    config: Callable[[], PreTrainedConfig]
    recipe: Recipe
    text: bool = True
    dtype: torch.dtype = torch.bfloat16

    def build(self, seed: int) -> PreTrainedModel:
        """An untrained model with the library's own initialisation, from a random state of its own."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.model(self.config())

    def loss(self, model: PreTrainedModel, tokens: Tensor, order: torch.Generator) -> Tensor:
        """Mean loss, nats, of a random batch; `tokens` is the text, which image models do not read."""
        return self.evaluate(model, self.batch(tokens, order))

    def batch(self, tokens: Tensor, order: torch.Generator) -> dict[str, Tensor]:
        """A random batch as the arguments of the model."""
        if not self.text:
            images, labels = digits.batch(order)
            return {"pixel_values": images, "labels": labels}
        inputs = text.windows(tokens, BATCH, LENGTH, order)
        return {"input_ids": inputs, "labels": inputs}

    @staticmethod
    def evaluate(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """The model's own loss on a batch, nats."""
        return model(**batch).loss


def _llama() -> LlamaConfig:
    return LlamaConfig(**GROUPED, num_hidden_layers=5, intermediate_size=224, tie_word_embeddings=False)


def _qwen() -> Qwen2Config:
    return Qwen2Config(**GROUPED, num_hidden_layers=4, intermediate_size=224, tie_word_embeddings=True)


def _gpt2() -> GPT2Config:
    return GPT2Config(
        **SPECIAL,
        vocab_size=tokenizer.VOCABULARY,
        n_positions=128,
        n_embd=96,
        n_layer=4,
        n_head=4,
        n_inner=320,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        resid_pdrop=0.0,
    )


def _bert() -> BertConfig:
    """A decoder: on little text, masked tokens alone would teach it nothing but how frequent each is."""
    return BertConfig(
        **WIDTHS,
        num_hidden_layers=4,
        intermediate_size=256,
        max_position_embeddings=128,
        pad_token_id=tokenizer.PAD,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        is_decoder=True,
    )


def _mixtral() -> MixtralConfig:
    return MixtralConfig(
        **GROUPED,
        num_hidden_layers=3,
        intermediate_size=112,
        num_local_experts=4,
        num_experts_per_tok=2,
        tie_word_embeddings=False,
    )


def _resnet() -> ResNetConfig:
    return ResNetConfig(
        num_channels=1, embedding_size=32, hidden_sizes=[32, 64], depths=[2, 2], layer_type="basic", num_labels=10
    )


FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="llama",
            model=LlamaForCausalLM,
            config=_llama,
            recipe=Recipe(steps=2500, rate=2e-3, warmup=100),
        ),
        Family(
            name="qwen",
            model=Qwen2ForCausalLM,
            config=_qwen,
            recipe=Recipe(steps=2500, rate=2e-3, warmup=100),
        ),
        Family(
            name="gpt2",
            model=GPT2LMHeadModel,
            config=_gpt2,
            recipe=Recipe(steps=2500, rate=2e-3, warmup=100),
        ),
        Family(
            name="bert",
            model=BertLMHeadModel,
            config=_bert,
            recipe=Recipe(steps=2500, rate=2e-3, warmup=100),
        ),
        Family(
            name="mixtral",
            model=MixtralForCausalLM,
            config=_mixtral,
            recipe=Recipe(steps=2500, rate=2e-3, warmup=100),
        ),
        Family(
            name="resnet",
            model=ResNetForImageClassification,
            config=_resnet,
            text=False,
            recipe=Recipe(steps=600, rate=2e-3, warmup=50),
            dtype=torch.float16,
        ),
    )
}
