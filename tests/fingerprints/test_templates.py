"""Numbers are taken out of names and put back, whatever the names."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fingerprints.templates import fill, natural_key, pieces, slots, spelt_out, templates
from tests import architectures
from tests.checkpoints import llama_shapes

components = st.one_of(
    st.integers(0, 12).map(str),
    st.sampled_from(
        [
            "{i}",
            "layer{i}",
            "{i:03}",
            "layer_3",
            "layer_03",
            "layer_04",
            "h1",
            "layer_4",
            "block12",
            "weight",
            "00",
            "07",
            "h",
            "ln1",
            "²",
            "٣",
            "",
        ]
    ),
    st.text(max_size=4),
)
hostile_names = st.one_of(st.lists(components, min_size=1, max_size=5).map(".".join), st.text())


@given(st.sets(hostile_names, max_size=30))
@example({"a.{i}.3", "a.3.{i}"})
@example({"a.1", "a.01", "a.001"})
@example({f"block_{i}" for i in range(6)} | {"block_{i}", "block_03"})
@example({"ab" + "9" * 5000, "9" * 5000})
def test_any_names_come_back_and_no_two_share_a_place(names: set[str]) -> None:
    found = templates(names)
    assert {fill(template, index) for template, index in found.values()} == names
    assert all(fill(*found[name]) == name for name in names)
    assert len(set(found.values())) == len(names)


@given(st.lists(hostile_names, max_size=12))
@example(["1²1", "²", "9" * 5000, "٣"])
def test_any_names_can_be_sorted(names: list[str]) -> None:
    backwards = names[::-1]
    keys = [natural_key(name) for name in sorted(names, key=natural_key)]
    assert keys == [natural_key(name) for name in sorted(backwards, key=natural_key)]


@given(st.lists(st.integers(0, 10**30), max_size=8))
def test_numbers_in_names_sort_by_value(numbers: list[int]) -> None:
    names = [f"layer.{number}.weight" for number in numbers]
    assert sorted(names, key=natural_key) == [f"layer.{number}.weight" for number in sorted(numbers)]


@given(st.permutations(sorted(llama_shapes(layers=12, hidden=8, mlp=8, heads=1, kv_heads=1, vocabulary=8))))
def test_the_order_of_names_does_not_matter(names: list[str]) -> None:
    assert templates(names) == templates(sorted(names))


@pytest.mark.parametrize(
    ("name", "template", "index"),
    [
        ("model.layers.11.mlp.up_proj.weight", "model.layers.{i}.mlp.up_proj.weight", (11,)),
        ("encoder.block.3.layer.1.DenseReluDense.wo", "encoder.block.{i}.layer.{i}.DenseReluDense.wo", (3, 1)),
        ("model.layers.0.mlp.experts.63.down_proj", "model.layers.{i}.mlp.experts.{i}.down_proj", (0, 63)),
        ("layers.2.blocks.17.attn.qkv.weight", "layers.{i}.blocks.{i}.attn.qkv.weight", (2, 17)),
        ("lm_head.weight", "lm_head.weight", ()),
        ("model.layers.1234567890.weight", "model.layers.1234567890.weight", ()),
    ],
)  # fmt: skip
def test_numeric_components_are_slots(name: str, template: str, index: tuple[int, ...]) -> None:
    assert templates([name]) == {name: (template, index)}


def test_numbered_words_are_slots_only_where_they_are_layers() -> None:
    stacked = [f"layer_{i}.attention.ln{j}.weight" for i in range(5) for j in (1, 2)]
    assert templates(stacked)["layer_4.attention.ln2.weight"] == ("layer_{i}.attention.ln2.weight", (4,))
    assert templates(stacked[:8])["layer_3.attention.ln2.weight"] == ("layer_3.attention.ln2.weight", ())
    letters = [f"h{i}.{inside}" for i in range(5) for inside in ("attn.weight", "mlp.weight")]
    assert templates(letters)["h4.mlp.weight"] == ("h{i}.mlp.weight", (4,))
    flat = [f"t{i}.weight" for i in range(5)] + [f"tensor_{i}" for i in range(5)]
    assert all(template == name for name, (template, _) in templates(flat).items())
    gaps = [f"layer_{i}.weight" for i in (0, 1, 2, 3, 9)]
    assert all(template == name for name, (template, _) in templates(gaps).items())


def test_stages_of_a_resnet_stay_names_and_its_blocks_are_numbered() -> None:
    found = templates(architectures.resnet())
    assert found["layer2.1.conv2.weight"] == ("layer2.{i}.conv2.weight", (1,))
    assert found["layer2.0.downsample.0.weight"] == ("layer2.{i}.downsample.{i}.weight", (0, 0))


@pytest.mark.parametrize("layer", ["layers.{:03}", "layer_{:03}", "h{:02}"])
def test_padded_numbers_are_slots_of_their_own_kind(layer: str) -> None:
    names = [f"{layer.format(i)}.{inside}.weight" for i in range(12) for inside in ("attn", "mlp")]
    found = templates(names)
    template = f"{layer.replace('{:', '{i:')}.mlp.weight"
    assert found[f"{layer.format(7)}.mlp.weight"] == (template, (7,))
    assert fill(template, (11,)) == f"{layer.format(11)}.mlp.weight"
    assert pieces(template) == [layer.partition("{")[0], ".mlp.weight"]
    assert slots(template) == [layer[layer.index("{") :].replace("{:", "{i:")]


def test_numbers_of_mixed_width_are_names_where_they_are_padded() -> None:
    assert templates(["a.07.w", "a.7.w"]) == {"a.07.w": ("a.07.w", ()), "a.7.w": ("a.{i}.w", (7,))}


def test_a_leading_number_is_a_slot_only_where_numbers_hold_the_same() -> None:
    modules = ["0.auto_model.layer.0.w", "0.auto_model.layer.1.w", "2.linear.w"]
    assert templates(modules)["0.auto_model.layer.1.w"] == ("0.auto_model.layer.{i}.w", (1,))
    assert templates(["0.weight", "2.weight"])["2.weight"] == ("{i}.weight", (2,))


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("encoder.layer_{i:03}.ln.weight", "encoder.layer.7.ln.weight"),
        ("h{i}.attn.weight", "h.7.attn.weight"),
        ("model.layers.{i}.mlp", "model.layers.7.mlp"),
    ],
)
def test_glued_numbers_are_spelt_out(template: str, name: str) -> None:
    assert spelt_out(template, (7,)) == name
