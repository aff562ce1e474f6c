from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from provenance.identification.catalogue import catalogue

PUBLISHED = {
    "meta-llama/Llama-2-13b-hf": 13_015_864_320,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "EleutherAI/pythia-6.9b": 6_857_302_016,
    "openai-community/gpt2": 124_439_808,
    "bigscience/bloom-560m": 559_214_592,
    "tiiuae/falcon-7b": 6_921_720_704,
    "facebook/opt-125m": 125_239_296,
    "openai/clip-vit-base-patch32": 151_277_313,
    "openai/whisper-tiny": 37_760_640,
    "google/gemma-7b": 8_537_680_896,
    "google/vit-base-patch16-224": 86_567_656,
}
"""Numbers of parameters as published beside the weights."""


def test_it_holds_as_many_models_and_families_as_it_promises() -> None:
    models = catalogue()
    assert len({model.name for model in models}) == len(models) >= 120
    assert len({model.family for model in models}) >= 40


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_shapes_add_up_to_the_published_number_of_parameters(name: str) -> None:
    (model,) = [each for each in catalogue() if each.name == name]
    assert sum(math.prod(shape) for shape in model.shapes.values()) == PUBLISHED[name]
    assert sum(model.counted.values()) == len(model.shapes)


def test_no_model_is_far_from_the_size_its_publishers_state() -> None:
    with (Path(__file__).parents[3] / "bench/catalogue/base_models.csv").open(newline="") as file:
        stated = {row["hub_id"]: float(row["millions"]) for row in csv.DictReader(file) if row["millions"]}
    counted = {
        model.name: sum(map(math.prod, model.shapes.values())) / 1e6 for model in catalogue() if model.name in stated
    }
    assert len(counted) > 80
    assert {name: count for name, count in counted.items() if abs(count / stated[name] - 1) > 0.05} == {}


def test_every_architecture_is_understood_and_its_fingerprint_small() -> None:
    for model in catalogue():
        assert len(model.anatomy.parts) == len(model.shapes)
        assert 0 < model.fingerprint_bytes < 4_000_000, model.name
