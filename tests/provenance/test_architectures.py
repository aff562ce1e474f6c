"""The architecture half of the answer, on the names and sizes of published models."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from provenance import Relation, compare
from provenance.result import ArchitectureRelation, Basis
from tests.checkpoints import (
    FIRST_YI_NAMES,
    LLAMA_2_7B,
    LLAMA_2_70B,
    YI_34B,
    llama_shapes,
    renamed,
    write_header_only,
    write_values,
)
from tests.provenance.conftest import EXAMPLES


class TestYi:
    """Yi-34B's first upload: Llama's architecture, two roles renamed, other sizes."""

    @pytest.mark.parametrize(("llama", "layers"), [(LLAMA_2_70B, 60), (LLAMA_2_7B, 32)])
    def test_headers_show_the_renames_and_no_weights(self, tmp_path: Path, llama: dict[str, int], layers: int) -> None:
        write_header_only(tmp_path / "yi", renamed(llama_shapes(**YI_34B), FIRST_YI_NAMES))
        write_header_only(tmp_path / "llama", llama_shapes(**llama))
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "compare", str(tmp_path / "yi"), str(tmp_path / "llama"), "--json"],
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9)),
        )
        assert time.monotonic() - started < 5
        result = json.loads(done.stdout)
        assert result["architecture"]["relation"] == "renamed"
        assert result["architecture"]["renames"] == [
            {
                "a": f"model.layers.{{i}}.{old}.weight",
                "b": f"model.layers.{{i}}.{new}.weight",
                "count": layers,
                "basis": "name table",
                "ambiguous": False,
            }
            for old, new in (("ln1", "input_layernorm"), ("ln2", "post_attention_layernorm"))
        ]
        sizes = {size["dimension"]: (size["a"], size["b"]) for size in result["architecture"]["sizes"]}
        assert sizes["residual"] == (YI_34B["hidden"], llama["hidden"])
        assert sizes["mlp"] == (YI_34B["mlp"], llama["mlp"])
        assert sizes["vocabulary"] == (64000, 32000)
        assert sizes["layers"] == (60, llama["layers"])
        assert result["verdict"]["relation"] == "inconclusive"
        assert "no learned values" in result["verdict"]["clause"]
        assert result["run"]["bytes_read"] < 0.01 * result["run"]["bytes_total"]

    def test_trained_values_of_other_sizes_are_independent_within_the_scope(self) -> None:
        result = compare(EXAMPLES / "narrow", EXAMPLES / "stranger")
        assert result.architecture.relation is ArchitectureRelation.RENAMED
        assert {rule.a: rule.b for rule in result.architecture.renames} == {
            "model.layers.{i}.ln1.weight": "model.layers.{i}.input_layernorm.weight",
            "model.layers.{i}.ln2.weight": "model.layers.{i}.post_attention_layernorm.weight",
        }
        assert {rule.basis for rule in result.architecture.renames} == {Basis.NAME_TABLE}
        assert "residual" in {size.dimension for size in result.architecture.sizes}
        assert result.verdict.relation is Relation.INDEPENDENT
        assert result.verdict.scope == "undisguised derivation only"


class TestExamples:
    """The pair that ships with the project, and a stranger to both."""

    def test_the_tuned_one_is_derived_under_other_names(self) -> None:
        result = compare(EXAMPLES / "base", EXAMPLES / "tuned")
        assert result.verdict.relation is Relation.DERIVED
        assert {kind.kind for kind in result.verdict.kinds} == {"fine_tune", "renamed"}
        assert {rule.basis for rule in result.architecture.renames} == {Basis.WEIGHTS}

    @pytest.mark.parametrize("other", ["base", "tuned"])
    def test_the_stranger_is_independent(self, other: str) -> None:
        assert compare(EXAMPLES / other, EXAMPLES / "stranger").verdict.relation is Relation.INDEPENDENT

    def test_weights_overrule_the_name_table(self, tmp_path: Path) -> None:
        """Norms that swapped their names are found by their values."""
        swapped = renamed(
            load_file(EXAMPLES / "tuned" / "model.safetensors"), {".ln1.": ".tmp.", ".ln2.": ".ln1.", ".tmp.": ".ln2."}
        )
        write_values(tmp_path / "swapped", swapped)
        result = compare(EXAMPLES / "base", tmp_path / "swapped")
        assert {rule.a: rule.b for rule in result.architecture.renames} == {
            "model.layers.{i}.input_layernorm.weight": "model.layers.{i}.ln2.weight",
            "model.layers.{i}.post_attention_layernorm.weight": "model.layers.{i}.ln1.weight",
        }

    def test_the_same_bytes_give_the_same_json(self) -> None:
        from provenance import to_json

        one, other = (to_json(compare(EXAMPLES / "base", EXAMPLES / "tuned")) for _ in range(2))
        del one["run"], other["run"]
        assert one == other


def vision_language_model(rxnfp: Path, language: Path, names: dict[str, str]) -> dict[str, np.ndarray]:
    """A vision-language model in the names of MiniCPM-Llama3-V 2.5, made of real weights, then renamed."""
    import torch

    tower = {
        "attention.self.query": "self_attn.q_proj",
        "attention.self.key": "self_attn.k_proj",
        "attention.self.value": "self_attn.v_proj",
        "attention.output.dense": "self_attn.out_proj",
        "attention.output.LayerNorm": "layer_norm1",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
        "output.LayerNorm": "layer_norm2",
    }
    model: dict[str, np.ndarray] = {}
    for name, value in torch.load(rxnfp / "bert_ft" / "pytorch_model.bin").items():
        if name.startswith("encoder.layer."):
            old = next(old for old in tower if f".{old}." in name)
            model["vpm." + name.replace("encoder.layer.", "encoder.layers.").replace(old, tower[old])] = value.numpy()
        elif name == "embeddings.position_embeddings.weight":
            model["vpm.embeddings.position_embedding.weight"] = value.numpy()
        elif name == "pooler.dense.weight":
            model["resampler.attn.out_proj.weight"] = value.numpy()
            model["resampler.kv_proj.weight"] = value.numpy()[:128]
            model["resampler.proj"] = value.numpy().T[:, ::-1]
        elif name == "embeddings.LayerNorm.weight":
            model["resampler.ln_q.weight"] = value.numpy()
            model["resampler.ln_kv.weight"] = value.numpy()[::-1]
    for name, values in load_file(language / "model.safetensors").items():
        model[f"llm.{name}"] = values
    return renamed(model, names)


class TestLlama3V:
    """Llama3-V, shown to be MiniCPM-Llama3-V 2.5 with modules renamed."""

    NAMES = {"vpm.": "vison.", "resampler.": "projection."}  # noqa: RUF012

    def test_renamed_modules_are_identical(self, rxnfp: Path, tmp_path: Path) -> None:
        write_values(tmp_path / "a", vision_language_model(rxnfp, EXAMPLES / "base", {}))
        write_values(tmp_path / "b", vision_language_model(rxnfp, EXAMPLES / "base", self.NAMES))
        result = compare(tmp_path / "a", tmp_path / "b")
        assert result.verdict.relation is Relation.IDENTICAL
        assert {(rule.a, rule.b): rule.basis for rule in result.architecture.renames} == {
            ("vpm.*", "vison.*"): Basis.WEIGHTS,
            ("resampler.*", "projection.*"): Basis.WEIGHTS,
        }

    def test_a_fine_tuned_language_model_inside_is_derived(self, rxnfp: Path, tmp_path: Path) -> None:
        write_values(tmp_path / "a", vision_language_model(rxnfp, EXAMPLES / "base", {}))
        write_values(tmp_path / "b", vision_language_model(rxnfp, EXAMPLES / "tuned", self.NAMES))
        result = compare(tmp_path / "a", tmp_path / "b")
        assert result.verdict.relation is Relation.DERIVED
        rules = {(rule.a, rule.b) for rule in result.architecture.renames}
        assert {("vpm.*", "vison.*"), ("resampler.*", "projection.*")} <= rules

    def test_another_language_model_inside_leaves_the_tower_shared(self, rxnfp: Path, tmp_path: Path) -> None:
        write_values(tmp_path / "a", vision_language_model(rxnfp, EXAMPLES / "base", {}))
        write_values(tmp_path / "b", vision_language_model(rxnfp, EXAMPLES / "narrow", self.NAMES))
        verdict = compare(tmp_path / "a", tmp_path / "b").verdict
        assert verdict.relation is Relation.DERIVED


def test_a_backbone_among_new_parts_is_component_reuse(rxnfp: Path, tmp_path: Path) -> None:
    """The smaller model's weights, unchanged, inside a larger one under a prefix."""
    whole = vision_language_model(rxnfp, EXAMPLES / "base", {})
    write_values(tmp_path / "whole", whole)
    result = compare(EXAMPLES / "base", tmp_path / "whole")
    assert result.verdict.relation is Relation.DERIVED
    [reuse] = [kind for kind in result.verdict.kinds if kind.kind == "component_reuse"]
    assert reuse.parameters["subtrees_a"] == ["*"]
    assert reuse.parameters["subtrees_b"] == ["llm.*"]
    assert result.verdict.kinds[0] is reuse
    assert result.verdict.coverage.a == 1.0
    assert result.verdict.coverage.b < 0.2


def test_nothing_in_common_is_inconclusive(silero: dict[str, Path]) -> None:
    result = compare(EXAMPLES / "base", silero["6.2.3"] / "silero_vad_16k.safetensors")
    assert result.architecture.relation is ArchitectureRelation.DIFFERENT
    assert result.verdict.relation is Relation.INCONCLUSIVE
