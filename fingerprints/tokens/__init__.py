"""The tokens of a checkpoint by id, as the files beside its weights, or its own metadata, list them.

Claims: they say which rows of two embeddings should stand for one token, and the weights have the last word. One file a
format; `read_tokens` takes the first that can be used.
"""

from fingerprints.tokens.reading import read_tokens
from fingerprints.tokens.tokens import Tokens

__all__ = ["Tokens", "read_tokens"]
