"""Which axes are tested: hidden units and residual dimensions, never what means the same in every model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.anatomy import build_anatomy
from fingerprints.axes import AxisPlan, Faces, plan_axes
from fingerprints.pairing import pair_parts
from fingerprints.samples import SampleSettings, axis_features, read_sample
from fingerprints.sampling import Half
from tests import architectures
from tests.architectures import D, N
from tests.checkpoints import Shapes, llama_shapes
from tests.in_memory import InMemory, empty

LLAMA = llama_shapes(layers=2, hidden=D, mlp=N, heads=4, kv_heads=2, vocabulary=100)
FAMILIES = {
    "llama": lambda: LLAMA,
    **{
        family.__name__: family
        for family in (
            architectures.gpt2, architectures.bert, architectures.t5, architectures.falcon, architectures.neox,
            architectures.phi3, architectures.chatglm, architectures.mixtral, architectures.qwen1, architectures.vit,
            architectures.clip, architectures.resnet, architectures.lstm,
        )
    },
}  # fmt: skip


def plans(a: Shapes, b: Shapes | None = None) -> dict[str, AxisPlan]:
    left, right = build_anatomy(empty(a)), build_anatomy(empty(b or a))
    return plan_axes(pair_parts(left, right).pairs, left, right)


def axes_of(plan: AxisPlan) -> dict[int, str]:
    return {test.axis: test.kind for test in plan.tests}


def test_a_llama() -> None:
    found = plans(LLAMA)
    at = "model.layers.1"
    expected = {
        f"{at}.mlp.gate_proj.weight": {0: "neuron", 1: "residual"},
        f"{at}.mlp.up_proj.weight": {0: "neuron", 1: "residual"},
        f"{at}.mlp.down_proj.weight": {0: "residual", 1: "neuron"},
        f"{at}.self_attn.q_proj.weight": {1: "residual"},
        f"{at}.self_attn.k_proj.weight": {1: "residual"},
        f"{at}.self_attn.v_proj.weight": {1: "residual"},
        f"{at}.self_attn.o_proj.weight": {0: "residual"},
        "model.embed_tokens.weight": {1: "residual"},
        "lm_head.weight": {1: "residual"},
    }
    assert {name: axes_of(found[name]) for name in expected} == expected
    assert not any(len(LLAMA[name]) == 1 for name in found), "vectors have no plan"
    assert "tokens mean the same" in found["lm_head.weight"].reasons[0]


def test_units_that_are_relabelled_together_are_one_group() -> None:
    found = plans(LLAMA)
    groups: dict[str, set[tuple[str, int]]] = {}
    for name, plan in found.items():
        for test in plan.tests:
            groups.setdefault(test.group, set()).add((name, test.axis))
    sizes = {group: len(members) for group, members in groups.items()}
    assert sizes == {
        "model.layers: residual stream": 16,
        "model.layers: layer 0: neurons": 3,
        "model.layers: layer 1: neurons": 3,
    }
    assert groups["model.layers: layer 1: neurons"] == {
        ("model.layers.1.mlp.gate_proj.weight", 0),
        ("model.layers.1.mlp.up_proj.weight", 0),
        ("model.layers.1.mlp.down_proj.weight", 1),
    }


def test_what_faces_tokens_is_shared_and_what_faces_hidden_units_is_private() -> None:
    found = plans(LLAMA)
    assert [test.faces for test in found["lm_head.weight"].tests] == [Faces.SHARED]
    assert {test.faces for test in found["model.layers.0.mlp.up_proj.weight"].tests} == {Faces.PRIVATE}


def test_gpt2_has_its_axes_the_other_way_round() -> None:
    found = plans(architectures.gpt2())
    assert axes_of(found["transformer.h.1.mlp.c_fc.weight"]) == {0: "residual", 1: "neuron"}
    assert axes_of(found["transformer.h.1.mlp.c_proj.weight"]) == {0: "neuron", 1: "residual"}
    assert axes_of(found["transformer.h.1.attn.c_attn.weight"]) == {0: "residual"}
    assert axes_of(found["transformer.wpe.weight"]) == {1: "residual"}


def test_every_expert_is_a_group_of_its_own_and_experts_are_not_units() -> None:
    found = plans(architectures.mixtral())
    groups = {
        test.group
        for name, plan in found.items()
        if ".experts." in name
        for test in plan.tests
        if test.kind == "neuron"
    }
    assert len(groups) == 2 * 3
    assert axes_of(found["model.layers.0.block_sparse_moe.gate.weight"]) == {1: "residual"}


@pytest.mark.parametrize("family", [architectures.phi3, architectures.chatglm])
def test_gate_and_up_in_one_matrix_are_two_rows_of_one_neuron(family: Callable[[], Shapes]) -> None:
    (fused, *_) = [test for plan in plans(family()).values() for test in plan.tests if test.gates == 2]
    assert (fused.axis, fused.kind, fused.units, fused.group) == (0, "neuron", N, fused.group)
    joined = [
        (test.axis, test.units) for plan in plans(family()).values() for test in plan.tests if test.group == fused.group
    ]
    assert sorted(joined) == [(0, N), (1, N)]


def test_opposite_orientations_are_not_compared() -> None:
    other = {name: shape[::-1] if "mlp" in name or "q_proj" in name else shape for name, shape in LLAMA.items()}
    plan = plans(LLAMA, other)["model.layers.0.mlp.up_proj.weight"]
    assert plan.tests == ()
    assert plan.reasons == ("the two sides store it in different orientations",)


MEANS_THE_SAME = {
    "llama": {("model.embed_tokens.weight", 0), ("lm_head.weight", 0)},
    "gpt2": {("transformer.wte.weight", 0), ("transformer.wpe.weight", 0)},
    "bert": {
        ("bert.embeddings.word_embeddings.weight", 0),
        ("bert.embeddings.position_embeddings.weight", 0),
        ("bert.embeddings.token_type_embeddings.weight", 0),
    },
    "vit": {
        ("classifier.weight", 0),
        ("vit.embeddings.position_embeddings", 1),
        ("vit.embeddings.patch_embeddings.projection.weight", 1),
    },
    "resnet": {("conv1.weight", 1), ("fc.weight", 0)},
    "lstm": {("embedding.weight", 0), ("decoder.weight", 0)},
    "t5": {("shared.weight", 0), ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 0)},
    "clip": {
        ("text_model.embeddings.position_embedding.weight", 0),
        ("vision_model.embeddings.position_embedding.weight", 0),
        ("vision_model.embeddings.patch_embedding.weight", 1),
    },
}


@pytest.mark.parametrize("family", MEANS_THE_SAME)
def test_tokens_classes_positions_and_inputs_are_never_tested(family: str) -> None:
    found = plans(FAMILIES[family]())
    assert {(name, test.axis) for name, plan in found.items() for test in plan.tests} & MEANS_THE_SAME[family] == set()


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_rows_are_never_tested(family: str) -> None:
    shapes = FAMILIES[family]()
    anatomy = build_anatomy(empty(shapes))
    for name, plan in plans(shapes).items():
        part = anatomy.parts[name]
        for test in plan.tests:
            assert not part.axes or part.axes[test.axis] in ("residual", "neuron")
            if not part.axes and test.axis == 0:
                assert not any(word in name.lower() for word in ("query", "q_proj", "qkv", ".q.", ".k.", ".v."))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_axis_that_is_not_tested_has_a_reason(family: str) -> None:
    for plan in plans(FAMILIES[family]()).values():
        assert len(plan.tests) + len(plan.reasons) >= 1


def test_filters_of_a_network_without_roles_are_tested() -> None:
    found = plans(architectures.resnet())
    assert axes_of(found["layer1.0.conv1.weight"]) == {0: "hidden", 1: "hidden"}
    assert axes_of(found["conv1.weight"]) == {0: "hidden"}


def test_the_gates_of_an_lstm_are_one_unit() -> None:
    found = plans(architectures.lstm())
    for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.weight_ih_l1", "lstm.weight_hh_l1"):
        rows = next(test for test in found[name].tests if test.axis == 0)
        assert (rows.gates, rows.units) == (4, 24)
    assert {test.axis for test in found["lstm.weight_hh_l0"].tests} == {0, 1}
    assert axes_of(found["decoder.weight"]) == {1: "hidden"}


WIDTHS = st.lists(st.integers(8, 40), min_size=3, max_size=6)


@settings(max_examples=60, deadline=None)
@given(WIDTHS)
def test_inputs_and_outputs_of_any_chain_of_layers_are_never_tested(widths: list[int]) -> None:
    shapes = {f"net.{k}.weight": (widths[k + 1], widths[k]) for k in range(len(widths) - 1)}
    found = plans(shapes)
    assert 1 not in axes_of(found["net.0.weight"])
    assert 0 not in axes_of(found[f"net.{len(widths) - 2}.weight"])
    for k in range(len(widths) - 2):
        assert 0 in axes_of(found[f"net.{k}.weight"])
        assert 1 in axes_of(found[f"net.{k + 1}.weight"])


def coordinates(shapes: Shapes) -> dict[str, np.ndarray]:
    """Every entry of a matrix says where it stands."""
    values = {}
    for name, shape in shapes.items():
        where = np.zeros(shape, dtype=np.float32)
        if len(shape) > 1:
            rows, columns = np.indices(shape)[:2]
            where += (rows + 1) * 1000 + columns + 1
        values[name] = where
    return values


SQUARE: dict[str, Shapes] = {
    "square layers": {f"net.{k}.weight": (64, 64) for k in range(4)},
    "lstm": architectures.lstm(hidden=64, inputs=64),
    "resnet": architectures.resnet(),
}


@pytest.mark.parametrize("half", Half)
@pytest.mark.parametrize("shapes", SQUARE.values(), ids=SQUARE)
def test_a_matrix_that_may_map_units_to_themselves_never_shows_the_units_that_are_tested(
    shapes: Shapes, half: Half
) -> None:
    checkpoint = InMemory(coordinates(shapes))
    anatomy = build_anatomy(checkpoint)
    pairing = pair_parts(anatomy, anatomy)
    settings = SampleSettings(rows=256, half=half)
    found = plan_axes(pairing.pairs, anatomy, anatomy)
    tested_units: dict[str, set[int]] = {}
    faced_units: dict[str, set[int]] = {}
    for pair in pairing.pairs:
        plan = found.get(pair.a.name)
        if plan is None:
            continue
        sample = read_sample(pair, plan, checkpoint, checkpoint, settings)
        for test in plan.tests:
            positions, x, y = axis_features(sample, test, settings)
            np.testing.assert_array_equal(x, y)
            rows, columns = x.astype(int) // 1000 - 1, x.astype(int) % 1000 - 1
            units = rows % test.units if test.axis == 0 else columns
            assert (units == positions[:, None]).all()
            tested_units.setdefault(test.group, set()).update(positions.tolist())
            if test.faces_rest:
                other = columns if test.axis == 0 else rows % pair.a.shape[1]
                faced_units.setdefault(test.group, set()).update(np.unique(other).tolist())
    assert faced_units
    for group, faced in faced_units.items():
        assert tested_units[group]
        assert not tested_units[group] & faced
