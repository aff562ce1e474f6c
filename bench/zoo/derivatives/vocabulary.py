"""Changed vocabularies and heads: tokens added, dropped or learned anew, and heads for another task."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    LlamaForCausalLM,
    PreTrainedModel,
    ResNetForImageClassification,
)

from bench.zoo import bases, digits, text, tokenizer
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.finetuning import SHORT, Tuned, save, tune
from bench.zoo.families import BATCH, FAMILIES, LENGTH, Family
from bench.zoo.train import Recipe, generator

ADDED = 64
KEPT = 400
HEAD = Recipe(steps=100, rate=3e-4, warmup=10)
EMBEDDING = Recipe(steps=300, rate=3e-3, warmup=30)
TOPICS = 2
"""Classes of the text classifier: which of the two texts a window is from."""


def extended(parents: Sequence[Path], target: Path) -> Truth:
    """Add tokens, as Chinese versions of Llama did (arXiv 2304.08177), and tune."""
    family = FAMILIES["llama"]
    model = bases.load(parents[0], family)
    vocabulary = Tokenizer.from_file(str(tokenizer.FILE))
    vocabulary.add_tokens([f"<|added_{number}|>" for number in range(ADDED)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model.resize_token_embeddings(vocabulary.get_vocab_size(), mean_resizing=True)
    details = tune(Tuned(model, family), family, SHORT, "vocabulary-extended")
    save(model, family, target)
    vocabulary.save(str(target / tokenizer.FILE.name))
    kinds = ({"kind": "vocabulary_change", "added": ADDED, "removed": 0, "reinitialised": 0}, {"kind": "fine_tune"})
    return Truth(kinds=kinds, details=details)


def trimmed(parents: Sequence[Path], target: Path) -> Truth:
    """Keep the special tokens and those that the fine-tuning text uses most, in the order that they had."""
    model: LlamaForCausalLM = bases.load(parents[0], FAMILIES["llama"])
    counts = torch.bincount(tokenizer.fine_tuning(), minlength=tokenizer.VOCABULARY)
    counts[: len(tokenizer.SPECIAL)] = counts.max() + 1
    kept = torch.sort(torch.argsort(counts, descending=True, stable=True)[:KEPT]).values
    embedding, head = model.get_input_embeddings().weight.data[kept], model.get_output_embeddings().weight.data[kept]
    model.resize_token_embeddings(KEPT)
    model.get_input_embeddings().weight.data = embedding
    model.get_output_embeddings().weight.data = head
    save(model, FAMILIES["llama"], target)
    names = {number: name for name, number in tokenizer.tokenizer().get_vocab().items()}
    ids = {names[old]: new for new, old in enumerate(kept.tolist())}
    _write_trimmed(target / tokenizer.FILE.name, ids)
    removed = tokenizer.VOCABULARY - KEPT
    kinds = ({"kind": "vocabulary_change", "added": 0, "removed": removed, "reinitialised": 0},)
    return Truth(kinds=kinds, details={"kept": kept.tolist()})


def _write_trimmed(path: Path, ids: dict[str, int]) -> None:
    """The shared tokenizer with the tokens in `ids` alone, and the merges that need no other."""
    settings = json.loads(tokenizer.FILE.read_text())
    settings["model"]["vocab"] = ids
    merges = [tuple(merge) for merge in settings["model"]["merges"]]
    settings["model"]["merges"] = [[left, right] for left, right in merges if {left, right, left + right} <= ids.keys()]
    path.write_text(json.dumps(settings))
    Tokenizer.from_file(str(path))


def retrained(parents: Sequence[Path], target: Path) -> Truth:
    """Draw embedding and head anew and train them alone, as for another language (arXiv 1910.11856)."""
    family = FAMILIES["llama"]
    model = bases.load(parents[0], family)
    fresh = generator("derivative", "vocabulary-retrained", "init")
    for table in (model.get_input_embeddings(), model.get_output_embeddings()):
        table.weight.data.normal_(0.0, model.config.initializer_range, generator=fresh)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("embed_tokens" in name or "lm_head" in name)
    details = tune(Tuned(model, family), family, EMBEDDING, "vocabulary-retrained")
    save(model, family, target)
    changed = {"kind": "vocabulary_change", "added": 0, "removed": 0, "reinitialised": tokenizer.VOCABULARY}
    return Truth(kinds=(changed,), details=details)


def topics(order: torch.Generator) -> dict[str, Tensor]:
    """Windows of either text, and which it is."""
    half = BATCH // 2
    windows = [
        text.windows(tokens, half, LENGTH, order) for tokens in (tokenizer.pretraining(), tokenizer.fine_tuning())
    ]
    return {"input_ids": torch.cat(windows), "labels": torch.arange(TOPICS).repeat_interleave(half)}


def parity(order: torch.Generator) -> dict[str, Tensor]:
    """Images of digits, and whether the digit is odd."""
    images, labels = digits.batch(order)
    return {"pixel_values": images, "labels": labels % 2}


def with_new_head(family: Family, model: type, batch: Callable[[torch.Generator], dict[str, Tensor]]) -> Derivation:
    """Seed 0 of a family under a classifier's head, all of it tuned."""

    def make(parents: Sequence[Path], target: Path) -> Truth:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            classifier: PreTrainedModel = model.from_pretrained(
                parents[0], dtype=torch.float32, num_labels=TOPICS, ignore_mismatched_sizes=True
            )
        details = tune(Tuned(classifier, family), family, HEAD, f"{family.name}-head", batch)
        save(classifier, family, target)
        return Truth(kinds=({"kind": "head_replaced"}, {"kind": "fine_tune"}), details=details)

    return Derivation(
        name=f"{family.name}-head",
        transform="head replaced",
        tool="transformers",
        parents=(f"{family.name}-0",),
        make=make,
    )


def changed(name: str, transform: str, make: Callable[[Sequence[Path], Path], Truth]) -> Derivation:
    """A Llama with another vocabulary."""
    return Derivation(name=f"llama-{name}", transform=transform, tool="transformers", parents=("llama-0",), make=make)


DERIVATIONS = (
    changed("vocabulary-extended", "vocabulary extended", extended),
    changed("vocabulary-trimmed", "vocabulary trimmed", trimmed),
    changed("vocabulary-retrained", "vocabulary learned anew", retrained),
    with_new_head(FAMILIES["llama"], AutoModelForSequenceClassification, topics),
    with_new_head(FAMILIES["bert"], AutoModelForSequenceClassification, topics),
    with_new_head(FAMILIES["resnet"], ResNetForImageClassification, parity),
)
