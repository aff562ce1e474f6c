"""The whole instrument: exact on strangers, awake on relatives, and the same numbers however it is run."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from scipy import stats

from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.measurement import Measurement, MeasureSettings, measure
from fingerprints.pairing import pair_parts
from fingerprints.readers import open_checkpoint
from fingerprints.samples import SampleSettings
from fingerprints.sampling import Half, in_half
from tests import architectures
from tests.checkpoints import llama_shapes, write_values
from tests.in_memory import InMemory, gaussian

Values = dict[str, np.ndarray]
LLAMA = llama_shapes(layers=3, hidden=64, mlp=160, heads=4, kv_heads=4, vocabulary=150)
ALL = MeasureSettings(layers=None)


def measured(a: Checkpoint, b: Checkpoint, how: MeasureSettings = ALL) -> Measurement:
    anatomies = build_anatomy(a), build_anatomy(b)
    return measure(pair_parts(*anatomies), anatomies, (a, b), how)


def compared(a: Values, b: Values, how: MeasureSettings = ALL) -> Measurement:
    return measured(InMemory(a), InMemory(b), how)


def moved(values: Values, amount: float, seed: int = 0) -> Values:
    """The same weights after more training: every tensor has moved by a share of its spread."""
    rng = np.random.default_rng(seed)
    return {
        name: (tensor + amount * tensor.std() * rng.standard_normal(tensor.shape)).astype(np.float32)
        for name, tensor in values.items()
    }


def numbers(found: Measurement) -> dict[tuple[object, ...], tuple[object, ...]]:
    """All that was measured, by what it is about."""
    tests = {
        (test.scope, test.signal, test.subject, test.axis, tuple(sorted(test.tensors))): (
            float(f"{test.statistics.z:.6g}"),
            test.statistics.hits,
            float(f"{test.statistics.effect:.6g}"),
            float(f"{test.log10_p:.6g}"),
        )
        for test in found.tests
    }
    tensors = {
        (item.pair.a.name, item.pair.b.name): (
            item.equality,
            float(f"{item.cosine:.6g}"),
            float(f"{item.relative_change:.6g}"),
            item.rank_correlation,
            item.not_learned,
        )
        for item in found.tensors
    }
    assert len(tests) == len(found.tests)
    return tests | tensors


RELATIVES = gaussian(LLAMA, 0), moved(gaussian(LLAMA, 0), 0.7)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_do_not_change_a_single_bit(threads: int) -> None:
    one = compared(*RELATIVES, MeasureSettings(layers=None, threads=1))
    many = compared(*RELATIVES, MeasureSettings(layers=None, threads=threads))
    assert many == one


@settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_names_in_the_container_does_not_matter(random: object) -> None:
    def mixed(values: Values) -> Values:
        items = list(values.items())
        random.shuffle(items)
        return dict(items)

    assert numbers(compared(*map(mixed, RELATIVES))) == numbers(compared(*RELATIVES))


@pytest.mark.parametrize("shards", [2, 5])
def test_the_split_into_shards_does_not_matter(tmp_path: Path, shards: int) -> None:
    whole = [write_values(tmp_path / f"whole {side}", values) for side, values in zip("ab", RELATIVES, strict=True)]
    split = tmp_path / "split"
    split.mkdir()
    where = {name: f"model-{place % shards + 1:05}-of-{shards:05}.safetensors" for place, name in enumerate(LLAMA)}
    for shard in set(where.values()):
        save_file({name: RELATIVES[1][name] for name in LLAMA if where[name] == shard}, split / shard)
    (split / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    with open_checkpoint(whole[0]) as a, open_checkpoint(whole[1]) as b, open_checkpoint(split) as c:
        assert numbers(measured(a, c)) == numbers(measured(a, b))


def test_the_container_does_not_matter(tmp_path: Path) -> None:
    with open_checkpoint(write_values(tmp_path, RELATIVES[1])) as stored:
        assert numbers(measured(InMemory(RELATIVES[0]), stored)) == numbers(compared(*RELATIVES))


def test_strangers_are_strangers_in_every_group() -> None:
    """Group and family statistics of independent models are standard normal, whatever they share in shape."""
    by_kind: dict[str, list[float]] = {}
    for seed in range(40):
        pair = (gaussian(LLAMA, 2 * seed), gaussian(LLAMA, 2 * seed + 1))
        for test in compared(*pair).tests:
            assert test.log10_p > -6
            kind = "family" if test.scope == "family" else test.subject.split(": ")[-1]
            if test.scope != "tensor":
                by_kind.setdefault(kind, []).append(test.statistics.z)
    assert by_kind.keys() == {"family", "neurons", "residual stream", "residual stream (gains, biases, norms)"}
    for kind, zs in by_kind.items():
        assert stats.kstest(zs, "norm").pvalue > 1e-3, kind
        assert stats.kstest(stats.chi2.cdf(np.square(zs), 1), "uniform").pvalue > 1e-3, kind


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_relatives_are_found_in_every_group(dtype: type) -> None:
    a, b = RELATIVES[0], {name: tensor.astype(dtype) for name, tensor in RELATIVES[1].items()}
    found = compared(a, b)
    groups = {test.subject: test for test in found.tests if test.scope == "group"}
    assert len(groups) == 5
    for test in groups.values():
        assert test.statistics.z > 15
        assert test.statistics.hits >= test.statistics.units - 2
        assert test.log10_p < -40
    matrices = [item for item in found.tensors if len(item.pair.a.shape) > 1]
    assert all(item.cosine == pytest.approx(1 / np.sqrt(1.49), abs=0.03) for item in matrices)
    assert all(item.relative_change == pytest.approx(0.7, abs=0.03) for item in matrices)


@pytest.mark.parametrize(
    ("family", "kinds"),
    [
        (architectures.gpt2, {"neurons", "residual stream"}),
        (architectures.mixtral, {"neurons of expert 0", "neurons of expert 2", "residual stream"}),
        (architectures.clip, {"neurons", "residual stream"}),
        (lambda: architectures.lstm(hidden=48, inputs=32), set()),
        (architectures.resnet, set()),
    ],
)
def test_relatives_are_found_in_every_family_of_models(family: object, kinds: set[str]) -> None:
    values = gaussian(family(), 3, scale=0.1)
    found = compared(values, moved(values, 0.3))
    groups = {test.subject: test for test in found.tests if test.scope == "group"}
    assert groups
    assert kinds <= {subject.split(": ")[-1] for subject in groups}
    assert all(test.statistics.z > 2.5 and test.log10_p < -4 for test in groups.values())
    strangers = compared(values, gaussian(family(), 4, scale=0.1))
    assert all(test.log10_p > -6 for test in strangers.tests)


def test_permuted_neurons_are_gone_and_the_residual_stream_is_still_there() -> None:
    a, b = RELATIVES[0], dict(RELATIVES[1])
    for layer in range(3):
        order = np.random.default_rng(layer).permutation(160)
        at = f"model.layers.{layer}.mlp"
        for name in ("gate_proj", "up_proj"):
            b[f"{at}.{name}.weight"] = b[f"{at}.{name}.weight"][order]
        b[f"{at}.down_proj.weight"] = b[f"{at}.down_proj.weight"][:, order]
    groups = {test.subject: test for test in compared(a, b).tests if test.scope == "group"}
    assert all(abs(test.statistics.z) < 4 for subject, test in groups.items() if subject.endswith("neurons"))
    assert groups["model.layers: residual stream"].statistics.z > 15


def test_scaling_neurons_and_folding_gains_changes_no_neuron_test() -> None:
    a, b = RELATIVES[0], dict(RELATIVES[1])
    rng = np.random.default_rng(0)
    for layer in range(3):
        at = f"model.layers.{layer}"
        gain = rng.uniform(0.5, 2, 64).astype(np.float32)
        norm = f"{at}.post_attention_layernorm.weight"
        scale = rng.uniform(0.5, 2, 160).astype(np.float32) * rng.choice([-1, 1], 160).astype(np.float32)
        b[f"{at}.mlp.gate_proj.weight"] = b[f"{at}.mlp.gate_proj.weight"] * gain
        b[f"{at}.mlp.up_proj.weight"] = b[f"{at}.mlp.up_proj.weight"] * gain * scale[:, None]
        b[norm] = b[norm] / gain
    one, other = ({(t.subject, t.axis): t for t in compared(a, side).tests} for side in (RELATIVES[1], b))
    for layer in range(3):
        for name in ("gate_proj", "up_proj"):
            key = next(key for key in one if key[0] == f"model.layers.{layer}.mlp.{name}.weight" and "neuron" in key[1])
            assert other[key].statistics.z == pytest.approx(one[key].statistics.z, rel=1e-4)
            assert other[key].statistics.hits == one[key].statistics.hits


def test_a_tensor_that_cannot_be_read_spoils_only_itself() -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    found = measured(InMemory(RELATIVES[0]), InMemory(RELATIVES[1], broken=[name]))
    assert [(pair.a.name, reason) for pair, reason in found.skipped] == [(name, f"the tensor {name} cannot be read")]
    assert len(found.tensors) == len(LLAMA) - 1
    whole = numbers(compared(*RELATIVES))
    assert all(
        whole[key] == value
        for key, value in numbers(found).items()
        if "layers.1" not in str(key) and key[0] == "tensor"
    )


def test_every_pair_is_measured_or_skipped_with_a_reason() -> None:
    a = gaussian(architectures.gpt2(layers=12) | {"scalar": ()}, 0)
    b = moved(a, 0.5)
    a["empty"] = b["empty"] = np.zeros((0, 3), np.float32)
    a["freqs_cis"], b["freqs_cis"] = np.ones((16, 8), np.complex64), np.ones((16, 8), np.float32)
    a["complex"] = b["complex"] = (np.ones((16, 8)) + 1j).astype(np.complex64)
    found = compared(a, b, MeasureSettings(layers=4))
    skipped = {pair.a.name: reason for pair, reason in found.skipped}
    assert sorted([*skipped, *(item.pair.a.name for item in found.tensors)]) == sorted(a)
    assert (skipped["empty"], skipped["freqs_cis"]) == ("it is empty", "only one side holds complex numbers")
    assert all(skipped.values())


def test_tables_that_were_not_learned_are_no_evidence() -> None:
    angles = np.arange(600)[:, None] * 10000.0 ** (-np.arange(32) / 32)
    table = {
        "model.embed_positions.weight": np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
    }
    found = compared(gaussian(LLAMA, 0) | table, gaussian(LLAMA, 1) | table)
    (item,) = [item for item in found.tensors if "positions" in item.pair.a.name]
    assert item.equality.identical
    assert item.not_learned == "it is a table of waves"
    assert not any("model.embed_positions.weight" in test.tensors for test in found.tests)


def test_after_a_search_vectors_are_ranked_by_the_entries_that_it_did_not_see() -> None:
    one, other = RELATIVES
    shown = in_half(np.arange(64), Half.TEST)
    copied = {name: np.where(shown, each, one[name]) if each.shape == (64,) else each for name, each in other.items()}
    how = MeasureSettings(layers=None, sample=SampleSettings(half=Half.TEST))
    found, kept = (
        {item.pair.a.name: item for item in compared(one, side, how).tensors if item.pair.a.shape == (64,)}
        for side in (copied, other)
    )
    for name, item in found.items():
        truth = stats.spearmanr(one[name][shown], other[name][shown]).statistic
        assert item.rank_correlation == pytest.approx(truth)
        assert item.rank_correlation == kept[name].rank_correlation
        assert item.ranked == shown.sum()


def test_the_time_limit_stops_what_has_not_begun() -> None:
    found = compared(*RELATIVES, MeasureSettings(layers=None, deadline=0.0))
    assert found.tensors == ()
    assert {reason for _, reason in found.skipped} == {"the time limit was reached"}
    assert len(found.skipped) == len(LLAMA)


def test_another_seed_looks_elsewhere() -> None:
    shapes = llama_shapes(layers=1, hidden=64, mlp=2000, heads=4, kv_heads=4, vocabulary=150)
    a, b = InMemory(gaussian(shapes, 0)), InMemory(gaussian(shapes, 0))
    for seed in (0, 1):
        measured(a, b, MeasureSettings(sample=SampleSettings(rows=64, seed=seed), layers=None))
    rows = [set(rows) for name, rows in a.taken if name.endswith("gate_proj.weight")]
    assert rows[0] != rows[-1]


def test_non_finite_values_leave_the_tests_and_become_no_number() -> None:
    a, b = dict(RELATIVES[0]), dict(RELATIVES[1])
    name = "model.layers.0.mlp.gate_proj.weight"
    b[name] = b[name].copy()
    b[name][:5] = np.nan
    b["model.layers.1.mlp.gate_proj.weight"] = np.full((160, 64), np.inf, np.float32)
    found = compared(a, b)
    assert all(np.isfinite(test.statistics.z) for test in found.tests)
    assert all(np.isfinite([item.cosine, item.relative_change]).all() for item in found.tensors)
    (test,) = [t for t in found.tests if t.subject == name and t.signal == "neuron_index"]
    assert test.statistics.units == 155
