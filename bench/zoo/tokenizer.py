"""`python -m bench.zoo.tokenizer`: makes the byte-level BPE tokenizer that the language models of the zoo share.

It is learned from the pretraining text of the machine that runs it and kept in the repository, so that every machine
cuts text into the same tokens.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from bench.zoo import text
from bench.zoo.cache import DATA

VOCABULARY = 512
SPECIAL = ("<pad>", "<s>", "</s>", "<mask>")
PAD, START, END, MASK = range(len(SPECIAL))
FILE = DATA / "tokenizer.json"


def learn() -> Tokenizer:
    """Learn the merges from the pretraining text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train([str(path) for path in text.sources()], trainer)
    return tokenizer


@cache
def tokenizer() -> Tokenizer:
    """The shared tokenizer."""
    return Tokenizer.from_file(str(FILE))


@cache
def pretraining() -> torch.Tensor:
    """Tokens of the pretraining text, int64."""
    return encode(text.pretraining())


@cache
def fine_tuning() -> torch.Tensor:
    """Tokens of the fine-tuning text, int64."""
    return encode(text.fine_tuning())


def encode(content: torch.Tensor) -> torch.Tensor:
    """Tokens of a text of bytes, int64; bytes that are not UTF-8 are replaced."""
    decoded = content.to(torch.uint8).numpy().tobytes().decode(errors="replace")
    return torch.from_numpy(np.asarray(tokenizer().encode(decoded).ids, dtype=np.int64))


def main() -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    learn().save(str(FILE))
    print(f"{FILE}: {tokenizer().get_vocab_size()} tokens, pretraining text {len(pretraining()):,} tokens")


if __name__ == "__main__":
    main()
