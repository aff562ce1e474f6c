"""Verdicts on published, trained checkpoints whose history is known."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from provenance import Options, Relation, compare
from provenance.result import ArchitectureRelation, Basis, Direction, Result
from tests.checkpoints import write_values


def kinds(result: Result) -> dict[str, dict[str, object]]:
    return {kind.kind: dict(kind.parameters) for kind in result.verdict.kinds}


@pytest.mark.parametrize("tuned", ["bert_ft", "bert_ft_10k_25s"])
def test_a_fine_tune_is_derived(rxnfp: Path, tuned: str) -> None:
    result = compare(rxnfp / "bert_pretrained", rxnfp / tuned)
    verdict = result.verdict
    assert verdict.relation is Relation.DERIVED
    assert verdict.direction is Direction.UNDIRECTED
    assert kinds(result)["fine_tune"]["untouched_share"] == 0.0
    assert verdict.effect is not None
    assert verdict.effect > 0.9
    assert verdict.log10_p is not None
    assert verdict.log10_p < -300
    assert verdict.coverage.a > 0.95
    assert verdict.coverage.b > 0.95
    assert verdict.coverage.extrapolated == 0.0


def test_a_stripped_prefix_is_found_and_proved_by_weights(rxnfp: Path) -> None:
    result = compare(rxnfp / "bert_pretrained", rxnfp / "bert_ft")
    [rule] = result.architecture.renames
    assert (rule.a, rule.b, rule.count, rule.basis) == ("bert.*", "*", 199, Basis.WEIGHTS)
    assert result.architecture.relation is ArchitectureRelation.VARIANT
    assert all(name.startswith("cls.") for name in result.architecture.only_a)
    assert not result.architecture.only_b


def test_two_fine_tunes_of_one_model_are_derived_and_undirected(rxnfp: Path) -> None:
    verdict = compare(rxnfp / "bert_ft", rxnfp / "bert_ft_10k_25s").verdict
    assert verdict.relation is Relation.DERIVED
    assert verdict.direction is Direction.UNDIRECTED


def test_swapping_the_sides_swaps_nothing_but_the_sides(rxnfp: Path) -> None:
    one = compare(rxnfp / "bert_pretrained", rxnfp / "bert_ft").verdict
    other = compare(rxnfp / "bert_ft", rxnfp / "bert_pretrained").verdict
    assert one.relation is other.relation
    assert one.coverage.a == pytest.approx(other.coverage.b)
    assert one.effect == pytest.approx(other.effect, rel=1e-3)


def test_a_republished_file_is_identical(minilm: Path, minilm_again: Path) -> None:
    result = compare(minilm, minilm_again)
    assert result.verdict.relation is Relation.IDENTICAL
    assert result.verdict.basis == "digest"
    assert result.verdict.kinds == ()
    assert result.architecture.relation is ArchitectureRelation.IDENTICAL
    assert result.a.digest == result.b.digest


class TestRepackaged:
    """all-MiniLM-L6-v2 saved again in other ways is still the same model."""

    def test_in_bfloat16(self, minilm: Path, tmp_path: Path) -> None:
        cast = {
            name: value.bfloat16() if value.is_floating_point() else value
            for name, value in load_file(minilm / "model.safetensors").items()
        }
        save_file(cast, tmp_path / "model.safetensors")
        result = compare(minilm, tmp_path)
        assert result.verdict.relation is Relation.IDENTICAL
        assert kinds(result) == {"dtype_cast": {"dtype_a": "F32", "dtype_b": "BF16"}}
        assert result.verdict.direction is Direction.A_TO_B
        assert compare(tmp_path, minilm).verdict.direction is Direction.B_TO_A

    @pytest.mark.parametrize("zipped", [True, False])
    def test_as_a_pickle(self, minilm: Path, tmp_path: Path, zipped: bool) -> None:
        torch.save(
            load_file(minilm / "model.safetensors"),
            tmp_path / "pytorch_model.bin",
            _use_new_zipfile_serialization=zipped,
        )
        result = compare(minilm, tmp_path)
        assert result.verdict.relation is Relation.IDENTICAL
        assert set(kinds(result)) == {"container"}

    def test_in_shuffled_shards(self, minilm: Path, tmp_path: Path) -> None:
        tensors = load_file(minilm / "model.safetensors")
        names = sorted(tensors)
        random.Random(3).shuffle(names)
        for place in range(3):
            shard = {name: tensors[name] for name in names[place::3]}
            save_file(shard, tmp_path / f"model-{place + 1:05}-of-00003.safetensors")
        result = compare(minilm, tmp_path)
        assert result.verdict.relation is Relation.IDENTICAL
        assert kinds(result) == {"resharded": {"shards_a": 1, "shards_b": 3}}

    def test_under_other_role_names(self, minilm: Path, tmp_path: Path) -> None:
        swap = {
            "attention.self.query": "mixer.alpha",
            "attention.self.key": "mixer.beta",
            "attention.self.value": "mixer.gamma",
            "attention.output.dense": "mixer.out",
            "attention.output.LayerNorm": "first",
            "intermediate.dense": "wide",
            "output.dense": "narrow",
            "output.LayerNorm": "second",
        }
        tensors, truth = {}, {}
        for name, value in load_file(minilm / "model.safetensors").items():
            old = next((old for old in swap if old in name), None)
            new = name.replace(old, swap[old]) if old else name.replace("embeddings", "inlet")
            new = new.replace("encoder.layer.", "stack.")
            tensors[new], truth[name] = value, new
        save_file(tensors, tmp_path / "model.safetensors")
        result = compare(minilm, tmp_path)
        assert result.verdict.relation is Relation.IDENTICAL
        assert set(kinds(result)) == {"renamed"}
        assert result.architecture.relation is ArchitectureRelation.RENAMED
        rules = {rule.a: rule for rule in result.architecture.renames}
        gate = rules["encoder.layer.{i}.attention.self.query.weight"]
        assert (gate.b, gate.count, gate.basis) == ("stack.{i}.mixer.alpha.weight", 6, Basis.WEIGHTS)
        assert not any(rule.ambiguous for rule in rules.values())

    def test_under_random_names(self, minilm: Path, tmp_path: Path) -> None:
        source = random.Random(4)
        tensors = {f"t{source.getrandbits(32):08x}": v for v in load_file(minilm / "model.safetensors").values()}
        save_file(tensors, tmp_path / "model.safetensors")
        result = compare(minilm, tmp_path)
        assert result.verdict.relation is Relation.IDENTICAL
        assert sum(rule.count for rule in result.architecture.renames) == len(tensors)

    @pytest.mark.parametrize("level", [0.01, 0.1, 0.5, 1.0])
    def test_with_noise(self, minilm: Path, tmp_path: Path, level: float) -> None:
        rng = np.random.default_rng(5)
        tensors = {
            name: v.numpy() + level * v.numpy().std() * rng.standard_normal(v.shape, dtype=np.float32)
            if v.is_floating_point()
            else v.numpy()
            for name, v in load_file(minilm / "model.safetensors").items()
        }
        assert compare(minilm, write_values(tmp_path / "noisy", tensors)).verdict.relation is Relation.DERIVED


def test_members_of_an_ensemble_are_independent(admet: Path) -> None:
    for task in ("admet_classification", "admet_regression"):
        members = sorted((admet / task).glob("model_*.pt"))
        assert len(members) == 5
        for one, other in combinations(members, 2):
            verdict = compare(one, other).verdict
            assert verdict.relation is Relation.INDEPENDENT, (task, one.name, other.name, verdict.clause)
            assert verdict.scope == "undisguised derivation only"
            assert verdict.direction is None


def test_berts_of_other_sizes_are_independent(minilm: Path, rxnfp: Path) -> None:
    result = compare(minilm, rxnfp / "bert_pretrained")
    assert result.verdict.relation is Relation.INDEPENDENT
    sizes = {size.dimension: (size.a, size.b) for size in result.architecture.sizes}
    assert sizes["residual"] == (384, 256)
    assert sizes["layers"] == (6, 12)


def test_retrained_detectors_are_independent_though_their_filters_are_equal(silero: dict[str, Path]) -> None:
    result = compare(silero["5.1.2"] / "silero_vad.jit", silero["6.2.3"] / "silero_vad.jit")
    assert result.verdict.relation is Relation.INDEPENDENT
    assert "2 equal tensors that nobody learned" in result.verdict.summary
    assert any("forward_basis_buffer" in found.subject for found in result.a.findings if found.code == "not-learned")


def test_an_int8_onnx_without_names_is_the_float_model_quantised(minilm: Path, minilm_int8: Path) -> None:
    result = compare(minilm, minilm_int8)
    assert result.verdict.relation is Relation.DERIVED
    (kind,) = [kind for kind in result.verdict.kinds if not kind.packaging]
    assert kind.kind == "quantised"
    assert str(result.verdict.direction) == "a_to_b"
    assert (kind.parameters["bits"], kind.parameters["side"]) == (8, "b")
    assert result.architecture.paired >= 101
    assert result.verdict.coverage is not None
    assert min(result.verdict.coverage.a, result.verdict.coverage.b) > 0.99


@pytest.mark.parametrize("version", ["5.1.2", "6.2.3"])
def test_torchscript_and_onnx_of_one_version_are_identical(silero: dict[str, Path], version: str) -> None:
    result = compare(silero[version] / "silero_vad.jit", silero[version] / "silero_vad.onnx")
    assert result.verdict.relation is Relation.IDENTICAL


def test_a_file_of_last_versions_weights_under_this_versions_name_is_found(silero: dict[str, Path]) -> None:
    mislabelled = silero["6.2.3"] / "silero_vad_half.onnx"
    old = compare(silero["5.1.2"] / "silero_vad.onnx", mislabelled)
    assert old.verdict.relation is Relation.DERIVED
    assert old.verdict.coverage is not None
    assert old.verdict.coverage.b > 0.99
    assert compare(silero["6.2.3"] / "silero_vad.onnx", mislabelled).verdict.relation is Relation.INDEPENDENT


def test_threads_change_no_number(rxnfp: Path) -> None:
    one, many = (
        compare(rxnfp / "bert_ft", rxnfp / "bert_ft_10k_25s", Options(threads=threads, rows=64)) for threads in (1, 4)
    )
    assert one.evidence == many.evidence
    assert one.verdict == many.verdict


def test_the_order_and_the_shards_of_tensors_change_no_number(rxnfp: Path, tmp_path: Path) -> None:
    tensors = torch.load(rxnfp / "bert_ft" / "pytorch_model.bin")
    names = sorted(tensors)
    random.Random(6).shuffle(names)
    for place in range(2):
        save_file(
            {name: tensors[name].contiguous() for name in names[place::2]},
            tmp_path / f"model-{place + 1:05}-of-00002.safetensors",
        )
    whole = compare(rxnfp / "bert_ft_10k_25s", rxnfp / "bert_ft")
    spread = compare(rxnfp / "bert_ft_10k_25s", tmp_path)
    assert whole.evidence == spread.evidence
    assert whole.verdict.log10_p == spread.verdict.log10_p
