"""Does a derivative work? `transformers` must load all of it, and its loss must be a number.

Language models read windows of the fine-tuning text, of which no base has seen anything and a fine-tune a part; image
models read the digits that they were trained on.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import torch
from transformers import PreTrainedModel

from bench.zoo import tokenizer
from bench.zoo.families import Family
from bench.zoo.train import generator

BATCHES = 4


def loaded(folder: Path, family: Family) -> PreTrainedModel:
    """The checkpoint as a float32 model; raises where the library misses, refuses or leaves over a tensor."""
    model, report = family.model.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    if any(report.values()):
        raise ValueError(f"{folder} was not loaded whole: {report}")
    return model


def loss(model: PreTrainedModel, family: Family) -> float:
    """Mean loss, nats, of batches that are the same for all models; raises where it is not finite."""
    tokens = tokenizer.fine_tuning() if family.text else torch.empty(0)
    order = generator("evaluation")
    model.eval()
    with torch.no_grad():
        mean = statistics.fmean(family.loss(model, tokens, order).item() for _ in range(BATCHES))
    if not math.isfinite(mean):
        raise ValueError(f"the loss is {mean}")
    return round(mean, 4)
