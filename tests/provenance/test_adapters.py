"""What a comparison says of adapters: alone, beside a base, and against each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from provenance.comparison import compare
from provenance.inspection import inspect
from provenance.result import Relation, Result
from tests.checkpoints import llama_shapes, write_values
from tests.in_memory import gaussian

SHAPES = llama_shapes(layers=3, hidden=64, mlp=160, heads=4, kv_heads=4, vocabulary=96)
TARGETS = ("q_proj", "v_proj", "up_proj", "down_proj")
RANK, ALPHA = 8, 16
Tensors = dict[str, np.ndarray]


def factors(seed: int) -> Tensors:
    found = {}
    for place, name in enumerate(sorted(SHAPES)):
        module = name.removesuffix(".weight")
        if module.endswith(TARGETS):
            rng = np.random.default_rng((seed, place))
            outputs, inputs = SHAPES[name]
            found[f"{module}.lora_A"] = rng.uniform(-0.1, 0.1, (RANK, inputs)).astype(np.float32)
            found[f"{module}.lora_B"] = (0.02 * rng.standard_normal((outputs, RANK))).astype(np.float32)
    return found


def mixed(seed: int, other: int, share: float) -> Tensors:
    """The factors A of one adapter, and factors B that point to its own with a cosine of about `share`."""
    mine, theirs = factors(seed), factors(other)
    rest = np.sqrt(1 - share**2)
    return {
        name: values if name.endswith("A") else (share * values + rest * theirs[name]).astype(np.float32)
        for name, values in mine.items()
    }


def adapter(folder: Path, tensors: Tensors, saved: Tensors | None = None, **config: object) -> Path:
    folder.mkdir()
    wrapped = {f"base_model.model.{name}.weight": values for name, values in tensors.items()}
    wrapped |= {f"base_model.model.{name}": values for name, values in (saved or {}).items()}
    save_file(wrapped, folder / "adapter_model.safetensors")
    known = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "base_model_name_or_path": "some/base"}
    (folder / "adapter_config.json").write_text(json.dumps(known | config))
    return folder


def rotated(tensors: Tensors) -> Tensors:
    turn = np.random.default_rng(3).standard_normal((RANK, RANK)) + 3 * np.eye(RANK)
    back = np.linalg.inv(turn)
    return {
        name: (turn @ values if name.endswith("A") else values @ back).astype(np.float32)
        for name, values in tensors.items()
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_values(tmp_path_factory.mktemp("base"), gaussian(SHAPES, 0))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_values(tmp_path_factory.mktemp("stranger"), gaussian(SHAPES, 1))


def kinds(result: Result) -> list[str]:
    return [kind.kind for kind in result.verdict.kinds if not kind.packaging]


@pytest.mark.parametrize("first", [True, False])
def test_an_adapter_that_fits_decides_nothing(base: Path, tmp_path: Path, first: bool) -> None:
    alone = adapter(tmp_path / "alone", factors(5))
    result = compare(alone, base) if first else compare(base, alone)
    side = "A" if first else "B"
    assert result.verdict.relation is Relation.INCONCLUSIVE
    assert result.verdict.clause.startswith(f"{side} is an adapter")
    assert "12 of its 12 modules" in result.verdict.summary
    assert "'some/base'" in result.verdict.summary
    assert kinds(result) == ["adapter_merge"]
    parameters = result.verdict.kinds[0].parameters
    assert (parameters["rank"], parameters["targets"], parameters["side"]) == (RANK, sorted(TARGETS), side.lower())
    assert (result.a if first else result.b).params == sum(values.size for values in factors(5).values())


def test_the_relative_change_is_that_of_the_merged_weights(base: Path, tmp_path: Path) -> None:
    result = compare(base, adapter(tmp_path / "alone", factors(5)))
    weights = load_file(base / "model.safetensors")
    change = before = 0.0
    for name, values in factors(5).items():
        if name.endswith("A"):
            product = ALPHA / RANK * factors(5)[name[:-1] + "B"].astype(np.float64) @ values
            change += float(np.square(product).sum())
            before += float(np.square(weights[name.removesuffix(".lora_A") + ".weight"], dtype=np.float64).sum())
    assert result.verdict.kinds[0].parameters["relative_change"] == pytest.approx(np.sqrt(change / before), rel=0.05)


def test_modules_that_do_not_fit_are_named(tmp_path: Path) -> None:
    other = write_values(
        tmp_path / "wide", gaussian(llama_shapes(layers=2, hidden=64, mlp=128, heads=4, kv_heads=4, vocabulary=96), 0)
    )
    result = compare(other, adapter(tmp_path / "alone", factors(5)))
    assert result.verdict.relation is Relation.INCONCLUSIVE
    assert "4 of its 12 modules" in result.verdict.summary
    assert "4 have no counterpart" in result.verdict.summary
    assert "160" in result.verdict.summary


def test_weights_that_an_adapter_holds_in_full_are_tested(base: Path, stranger: Path, tmp_path: Path) -> None:
    up = "model.layers.0.mlp.gate_proj.weight"
    rng = np.random.default_rng(0)
    weights = load_file(base / "model.safetensors")[up]
    saved = {up: (weights + 0.002 * rng.standard_normal(weights.shape)).astype(np.float32)}
    alone = adapter(tmp_path / "alone", factors(5), saved)
    related, unrelated = compare(base, alone).verdict, compare(stranger, alone).verdict
    assert related.relation is Relation.DERIVED
    assert "weights that it holds in full" in related.clause
    assert unrelated.relation is Relation.INCONCLUSIVE


def test_an_adapter_beside_its_base(base: Path, stranger: Path, tmp_path: Path) -> None:
    tensors = {}
    changed = {f"{name.rpartition('.')[0]}.weight" for name in factors(5)}
    for name, values in load_file(base / "model.safetensors").items():
        tensors[name.replace(".weight", ".base_layer.weight") if name in changed else name] = values
    tensors |= {f"{name}.default.weight": values for name, values in factors(5).items()}
    beside = write_values(tmp_path / "beside", {f"base_model.model.{name}": values for name, values in tensors.items()})
    unscaled = compare(base, beside)
    assert unscaled.verdict.relation is Relation.DERIVED
    (beside / "adapter_config.json").write_text(json.dumps({"lora_alpha": ALPHA}))
    result = compare(base, beside)
    assert result.verdict.relation is Relation.DERIVED
    assert "adapter_merge" in kinds(result)
    assert result.architecture.paired == len(SHAPES)
    assert compare(stranger, beside).verdict.relation is Relation.INDEPENDENT


@pytest.mark.parametrize(
    ("other", "relation"),
    [
        (factors(5), Relation.IDENTICAL),
        (rotated(factors(5)), Relation.DERIVED),
        (mixed(5, 6, 0.97), Relation.DERIVED),
        (mixed(5, 6, 0.66), Relation.COMMON_ORIGIN),
        (factors(6), Relation.INDEPENDENT),
    ],
    ids=["equal", "other factors of the same products", "continued", "one seed and base", "independent"],
)
def test_adapters_are_compared_by_their_products(other: Tensors, relation: Relation, tmp_path: Path) -> None:
    result = compare(adapter(tmp_path / "a", factors(5)), adapter(tmp_path / "b", other))
    assert result.verdict.relation is relation


def test_another_alpha_is_not_identical(tmp_path: Path) -> None:
    result = compare(adapter(tmp_path / "a", factors(5)), adapter(tmp_path / "b", factors(5), lora_alpha=8))
    assert result.verdict.relation is Relation.DERIVED


def test_learned_vectors_are_told_apart_only_by_equality(tmp_path: Path) -> None:
    def vectors(seed: int) -> Tensors:
        rng = np.random.default_rng(seed)
        return {f"model.layers.{i}.self_attn.k_proj.ia3_l": rng.normal(1, 0.1, (64, 1)) for i in range(9)}

    folders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        save_file(vectors(seed), tmp_path / name / "adapter_model.safetensors")
        folders.append(tmp_path / name)
    assert compare(folders[0], folders[1]).verdict.relation is Relation.IDENTICAL
    different = compare(folders[0], folders[2]).verdict
    assert different.relation is Relation.INCONCLUSIVE
    assert "IA3" in different.summary


def test_inspecting_an_adapter(tmp_path: Path) -> None:
    seen = inspect(adapter(tmp_path / "a", factors(5), use_rslora=True, target_modules=["b", "a"]))
    assert seen.claims["base_model_name_or_path"] == "some/base"
    assert seen.claims["target_modules"] == "a, b"
    finding = next(found for found in seen.model.findings if found.code == "adapter")
    assert "rsLoRA of rank 8 on 12 modules" in finding.message
    assert f"{sum(values.size for values in factors(5).values()):,} parameters" in finding.message


def test_a_kind_that_is_not_applied_is_named(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prompt"
    folder.mkdir()
    save_file({"prompt_embeddings": np.ones((4, 64), dtype=np.float32)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "PROMPT_TUNING"}))
    verdict = compare(base, folder).verdict
    assert verdict.relation is Relation.INCONCLUSIVE
    assert "PROMPT_TUNING" in verdict.summary
    assert "not applied" in verdict.summary
