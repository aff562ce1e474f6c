"""Models in another order or basis are derived, and what was done comes back; disguised strangers stay strangers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.zoo import symmetries as by
from bench.zoo.derivatives.disguises import EVERYTHING, SIMPLE, cast, disguise, store
from bench.zoo.model import Model
from bench.zoo.symmetries import Symmetry
from bench.zoo.train import generator
from provenance import Relation, Result, compare
from tests.checkpoints import write_values
from tests.transformations import BASES, Tensors, relayered

RELATED = {Relation.DERIVED, Relation.COMMON_ORIGIN, Relation.IDENTICAL}
SAID = {
    "neurons": {"neurons permuted"},
    "neuron-scales": {"neurons scaled"},
    "heads": {"heads permuted"},
    "queries": {"queries and keys in another basis"},
    "values": {"values in another basis"},
    "residual-permutation": {"residual stream permuted"},
    "residual-signs": {"residual stream permuted", "residual stream with signs turned"},
    "residual-rotation": {"residual stream rotated"},
    "residual-scale": {"residual stream scaled"},
    "vocabulary": {"token ids permuted"},
    "head-shift": {"head shifted"},
    "depth": {"identity layers inserted"},
}
"""What a report says of each disguise that the zoo knows."""


def moved(model: Model, amount: float, label: str) -> Model:
    """Every matrix moved by a share of its size."""
    random = generator("moved", label)
    return model.updated(
        {
            name: value + amount * value.std() * torch.randn(value.shape, generator=random, dtype=value.dtype)
            for name, value in sorted(model.tensors.items())
            if value.ndim > 1
        }
    )


def in_four_bits(model: Model) -> Model:
    """Every matrix rounded to 15 steps for each run of 32 values of a row."""

    def rounded(value: torch.Tensor) -> torch.Tensor:
        runs = value.reshape(-1, 32)
        steps = runs.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 7
        return ((runs / steps).round() * steps).view_as(value)

    return model.updated({n: rounded(v) for n, v in model.tensors.items() if v.ndim == 2 and v.shape[1] % 32 == 0})


def disguised(base: str, steps: Sequence[Symmetry], target: Path, *, before: float = 0.0, after: float = 0.0) -> Path:
    """A base disguised, in bfloat16, with noise on either side of it."""
    model = disguise(moved(Model.read(BASES / base), before, f"{base} before"), steps, generator("disguised", base))
    return stored(moved(model, after, f"{base} after"), target)


def stored(model: Model, target: Path) -> Path:
    target.mkdir()
    store(cast(model, torch.bfloat16), target)
    return target


def transforms(result: Result) -> dict[str, dict[str, Any]]:
    assert result.verdict.relation is Relation.DERIVED, result.verdict.clause
    (found,) = [kind.parameters for kind in result.verdict.kinds if kind.kind == "disguised"]
    return {each["what"]: dict(each) for each in found["transform"]}


@pytest.mark.parametrize("name", SAID)
def test_a_disguise_is_named(name: str, tmp_path: Path) -> None:
    child = disguised("llama-0", SIMPLE[name], tmp_path / "child")
    result = compare(BASES / "llama-0", child)
    assert set(transforms(result)) == SAID[name]
    assert result.verdict.coverage.a > 0.95
    if name not in ("vocabulary", "neurons"):
        assert not {"fine_tune", "continued_pretraining"} & {kind.kind for kind in result.verdict.kinds}


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_models_that_only_began_alike_are_not_independent_when_one_is_permuted(family: str, tmp_path: Path) -> None:
    child = disguised(f"{family}-0", (by.permute_residual, by.permute_neurons), tmp_path / "child")
    verdict = compare(BASES / f"{family}-0-other", child).verdict
    assert verdict.relation is not Relation.INDEPENDENT
    assert compare(BASES / f"{family}-1", child).verdict.relation is Relation.INDEPENDENT


@pytest.mark.parametrize("steps", [SIMPLE["residual-rotation"], EVERYTHING["gpt2"]])
def test_rounding_after_a_disguise_is_no_training(steps: Sequence[Symmetry], tmp_path: Path) -> None:
    """Biases and centred writers of a GPT-2 as well."""
    result = compare(BASES / "gpt2-0", disguised("gpt2-0", steps, tmp_path / "child"))
    assert {kind.kind for kind in result.verdict.kinds if not kind.packaging} == {"disguised"}


@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral"])
def test_the_permutation_of_the_residual_stream_comes_back(family: str, tmp_path: Path) -> None:
    child = disguised(f"{family}-0", (by.permute_residual,), tmp_path / "child", before=0.1)
    order = torch.randperm(96, generator=generator("disguised", f"{family}-0"))
    said = transforms(compare(BASES / f"{family}-0", child))
    assert said["residual stream permuted"]["permutation"] == torch.argsort(order).tolist()
    back = transforms(compare(child, BASES / f"{family}-0"))
    assert back["residual stream permuted"]["permutation"] == order.tolist()


@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral"])
def test_the_permutations_of_neurons_come_back(family: str, tmp_path: Path) -> None:
    child = disguised(f"{family}-0", (by.permute_neurons,), tmp_path / "child", before=0.1)
    random = generator("disguised", f"{family}-0")
    orders = [torch.randperm(s.size, generator=random) for s in Model.read(BASES / f"{family}-0").layout.hidden]
    found = transforms(compare(BASES / f"{family}-0", child))["neurons permuted"]["permutations"]
    neurons = sorted(
        (each for each in found if not each["role"]), key=lambda each: (each["layer"], each["expert"] or 0)
    )
    assert len(neurons) == len(orders)
    for each, order in zip(neurons, orders, strict=True):
        assert np.mean(np.array(each["b"]) == torch.argsort(order).numpy()) >= 0.99


@pytest.mark.parametrize("family", EVERYTHING)
@pytest.mark.parametrize("change", ["noise", "tuned before"])
def test_everything_at_once_is_seen_through(family: str, change: str, tmp_path: Path) -> None:
    before, after = (0.0, 0.01) if change == "noise" else (0.1, 0.0)
    child = disguised(f"{family}-0", EVERYTHING[family], tmp_path / "child", before=before, after=after)
    sides = (BASES / f"{family}-0", child)
    result = compare(*(sides if change == "noise" else sides[::-1]))
    found = transforms(result)
    assert "residual stream rotated" in found
    assert "neurons permuted" in found
    coverage = result.verdict.coverage
    assert (coverage.a if change == "noise" else coverage.b) > 0.9
    assert result.verdict.effect is not None
    assert result.verdict.effect > 0.95


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_four_bits_after_the_disguise(family: str, tmp_path: Path) -> None:
    model = disguise(Model.read(BASES / f"{family}-0"), EVERYTHING[family], generator("four bits", family))
    result = compare(BASES / f"{family}-0", stored(in_four_bits(model), tmp_path / "child"))
    assert "residual stream rotated" in transforms(result)


@pytest.mark.parametrize("family", EVERYTHING)
def test_disguised_strangers_stay_independent(family: str, tmp_path: Path) -> None:
    """One of them disguised, and both alike."""
    a = disguised(f"{family}-0", EVERYTHING[family], tmp_path / "a")
    b = disguised(f"{family}-1", EVERYTHING[family], tmp_path / "b")
    for sides in ((a, b), (b, BASES / f"{family}-2")):
        result = compare(*sides)
        assert result.verdict.relation is Relation.INDEPENDENT
        assert result.verdict.coverage.a == result.verdict.coverage.b == 0


def test_an_embedding_of_the_parents_says_nothing_about_a_new_body(tmp_path: Path) -> None:
    """Under the parent's table and head, another model's layers; their neurons, heads and tokens in any order."""
    parent, other = (Model.read(BASES / name) for name in ("llama-0", "llama-1"))
    tables = ("model.embed_tokens.weight", "lm_head.weight")
    model = other.updated({name: parent.tensors[name] for name in tables})
    for place, steps in enumerate(((), (by.permute_neurons, by.permute_heads, by.permute_vocabulary))):
        child = stored(disguise(model, steps, generator("tables", place)), tmp_path / str(place))
        result = compare(BASES / "llama-0", child)
        assert result.verdict.relation is Relation.DERIVED
        assert "component_reuse" in {kind.kind for kind in result.verdict.kinds}
        share = sum(parent.tensors[name].numel() for name in tables) / sum(v.numel() for v in parent.tensors.values())
        assert result.verdict.coverage.a == pytest.approx(share, abs=0.01)
    rotated = disguise(model, (by.rotate_residual,), generator("tables", "rotated"))
    result = compare(BASES / "llama-0", stored(rotated, tmp_path / "rotated"))
    assert result.verdict.coverage.a <= share + 0.01
    assert result.verdict.relation is not Relation.INDEPENDENT


def bert_permuted(tensors: Tensors, heads: int, seed: int) -> tuple[Tensors, np.ndarray]:
    """A BERT with its stream, neurons and heads in another order, and the order of the stream."""
    rng = np.random.default_rng(seed)
    width = tensors["embeddings.word_embeddings.weight"].shape[1]
    stream, found = rng.permutation(width), dict(tensors)
    own: dict[tuple[str, str], np.ndarray] = {}

    def order(layer: str, kind: str, length: int) -> np.ndarray:
        if (layer, kind) not in own:
            size = length // heads if kind == "heads" else 1
            units = rng.permutation(length // size)
            own[layer, kind] = (units[:, None] * size + np.arange(size)).ravel()
        return own[layer, kind]

    for name, value in tensors.items():
        match = re.search(r"layer\.(\d+)\.", name)
        rows = columns = None
        if ".self." in name or "intermediate" in name:
            kind = "heads" if ".self." in name else "neurons"
            rows, columns = order(match[1], kind, len(value)), stream
        elif match and "dense.weight" in name:
            kind = "heads" if "attention" in name else "neurons"
            rows, columns = stream, order(match[1], kind, value.shape[1])
        elif "pooler" in name:
            columns = stream
        elif value.ndim == 1:
            rows = stream
        elif "embeddings" in name:
            columns = stream
        value = value if rows is None else value[rows]
        found[name] = value if columns is None or value.ndim == 1 else value[:, columns]
    return found, stream


def published(folder: Path) -> Tensors:
    """The encoder of a BERT, in float32 and without a prefix."""
    (file,) = (*folder.glob("*.safetensors"), *folder.glob("pytorch_model.bin"))
    tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    return {
        name.removeprefix("bert."): value.float().numpy()
        for name, value in tensors.items()
        if not name.startswith(("cls.", "classifier")) and "position_ids" not in name
    }


def test_a_permuted_published_encoder(minilm: Path, tmp_path: Path) -> None:
    child, order = bert_permuted(published(minilm), heads=12, seed=0)
    result = compare(minilm, write_values(tmp_path, child))
    found = transforms(result)
    assert {"residual stream permuted", "neurons permuted"} <= set(found)
    assert np.mean(np.array(found["residual stream permuted"]["permutation"]) == np.argsort(order)) >= 0.99
    for each in found["neurons permuted"]["permutations"]:
        assert len(set(each["b"])) == len(each["b"]) >= 0.99 * 1536
    assert result.verdict.coverage.a > 0.9


def test_a_permuted_published_fine_tune(rxnfp: Path, tmp_path: Path) -> None:
    child, order = bert_permuted(published(rxnfp / "bert_ft"), heads=4, seed=1)
    found = transforms(compare(rxnfp / "bert_pretrained", write_values(tmp_path, child)))
    permutation = np.array(found["residual stream permuted"]["permutation"])
    assert np.mean(permutation == np.argsort(order)) >= 0.99


def test_half_of_the_layers_of_a_published_fine_tune(rxnfp: Path, tmp_path: Path) -> None:
    """Every second one: the map is exact, whichever side is the shorter one."""
    kept = list(range(0, 12, 2))
    tensors = published(rxnfp / "bert_ft")
    prefixed = {name.replace("encoder.layer.", "model.layers."): value for name, value in tensors.items()}
    short = {
        name.replace("model.layers.", "encoder.layer."): value for name, value in relayered(prefixed, kept).items()
    }
    result = compare(rxnfp / "bert_pretrained", write_values(tmp_path, short))
    assert result.verdict.relation is Relation.DERIVED
    (kind,) = [kind.parameters for kind in result.verdict.kinds if kind.kind == "pruned_depth"]
    assert kind["layer_map"] == kept
    assert kind["child"] == "b"


def test_permuted_strangers_of_one_make(minilm: Path, rxnfp: Path, tmp_path: Path) -> None:
    child, _ = bert_permuted(published(minilm), heads=12, seed=2)
    result = compare(rxnfp / "bert_pretrained", write_values(tmp_path, child))
    assert result.verdict.relation not in RELATED
