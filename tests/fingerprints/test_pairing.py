"""Counterparts by name, prefix, role and shape, and what is left open."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.anatomy import Anatomy, build_anatomy
from fingerprints.errors import UsageError
from fingerprints.pairing import PairBasis, Pairing, pair_parts
from fingerprints.reassignment import reassigned
from tests import architectures
from tests.checkpoints import FIRST_YI_NAMES, Shapes, llama_shapes, renamed
from tests.in_memory import empty

LLAMA = {"layers": 12, "hidden": 32, "mlp": 80, "heads": 4, "kv_heads": 2, "vocabulary": 100}


def anatomy_of(shapes: Shapes) -> Anatomy:
    return build_anatomy(empty(shapes))


def paired(a: Shapes, b: Shapes, **renames: str) -> Pairing:
    return pair_parts(anatomy_of(a), anatomy_of(b), renames=renames)


def names(pairing: Pairing) -> dict[str, str]:
    return {pair.a.name: pair.b.name for pair in pairing.pairs}


def bases(pairing: Pairing) -> Counter[PairBasis]:
    return Counter(pair.basis for pair in pairing.pairs)


def mapped(shapes: Shapes, rules: dict[str, str]) -> dict[str, str]:
    """Old name to new name."""
    return dict(zip(shapes, renamed(shapes, rules), strict=True))


@pytest.mark.parametrize(
    "family", [architectures.gpt2, architectures.t5, architectures.clip, architectures.resnet, architectures.lstm]
)
def test_equal_names_are_counterparts(family: object) -> None:
    found = paired(family(), family())
    assert names(found) == {name: name for name in family()}
    assert set(bases(found)) == {PairBasis.NAME}
    assert not found.searched
    assert (found.only_a, found.only_b) == ((), ())


@pytest.mark.parametrize("wrapper", ["module.", "base_model.model.", "x.y.z."])
@pytest.mark.parametrize("other_way", [False, True])
@pytest.mark.parametrize("family", [architectures.gpt2, architectures.bert, architectures.resnet, architectures.t5])
def test_a_wrapper_around_all_names_is_one_prefix(family: object, wrapper: str, other_way: bool) -> None:
    plain, wrapped = family(), {wrapper + name: shape for name, shape in family().items()}
    found = paired(wrapped, plain) if other_way else paired(plain, wrapped)
    expected = {name: wrapper + name for name in plain}
    assert names(found) == ({b: a for a, b in expected.items()} if other_way else expected)
    assert set(bases(found)) == {PairBasis.PREFIX}


@pytest.mark.parametrize("other_way", [False, True])
def test_a_head_keeps_its_name_where_only_the_body_gains_a_prefix(other_way: bool) -> None:
    body = architectures.bert(prefix="")
    bare = body | {"pooler.dense.weight": (32, 32)}
    headed = {f"bert.{name}": shape for name, shape in body.items()} | {"classifier.weight": (3, 32)}
    a, b = (headed, bare) if other_way else (bare, headed)
    found = paired(a, b)
    assert len(found.pairs) == len(body)
    assert all(pair.a.name.removeprefix("bert.") == pair.b.name.removeprefix("bert.") for pair in found.pairs)
    left = {part.name for part in (*found.only_a, *found.only_b)}
    assert left == {"pooler.dense.weight", "classifier.weight"}


def test_bert_and_roberta_differ_by_a_prefix() -> None:
    found = paired(architectures.bert(), architectures.bert(prefix="roberta."))
    assert names(found) == {name: name.replace("bert.", "roberta.", 1) for name in architectures.bert()}
    assert set(bases(found)) == {PairBasis.PREFIX}


def test_two_towers_move_to_two_prefixes() -> None:
    a = architectures.clip()
    rules = {"vision_model.": "vpm.", "text_model.": "tower.text."}
    found = paired(a, renamed(a, rules))
    assert names(found) == mapped(a, rules)


def test_the_norms_of_the_first_yi_upload_are_settled_by_their_roles() -> None:
    shapes = llama_shapes(**LLAMA)
    found = paired(renamed(shapes, FIRST_YI_NAMES), shapes)
    assert names(found) == {b: a for a, b in mapped(shapes, FIRST_YI_NAMES).items()}
    assert bases(found) == {PairBasis.ROLE: 24, PairBasis.NAME: len(shapes) - 24}
    assert not any(pair.ambiguous for pair in found.pairs)


def test_sizes_may_differ() -> None:
    small = llama_shapes(**LLAMA)
    large = llama_shapes(**LLAMA | {"hidden": 64, "mlp": 176, "layers": 14})
    found = paired(small, large)
    assert names(found) == {name: name for name in small}
    assert {part.layer for part in found.only_b} == {12, 13}


def test_norms_without_known_names_are_a_choice_by_shape() -> None:
    shapes = llama_shapes(**LLAMA)
    rules = {"input_layernorm": "eta", "post_attention_layernorm": "theta"}
    found = paired(shapes, renamed(shapes, rules))
    open_pairs = [pair for pair in found.pairs if pair.renamed]
    assert len(open_pairs) == 24
    assert {pair.basis for pair in open_pairs} == {PairBasis.SHAPE}
    assert all(pair.ambiguous and pair.a.index == pair.b.index for pair in open_pairs)
    assert {pair.b.template for pair in open_pairs} == {"model.layers.{i}.eta.weight", "model.layers.{i}.theta.weight"}


def test_a_lone_shape_is_no_choice() -> None:
    shapes = llama_shapes(**LLAMA)
    found = paired(shapes, renamed(shapes, {"mlp.down_proj": "omega"}))
    renames = [pair for pair in found.pairs if pair.renamed]
    assert len(renames) == 12
    assert all(pair.basis is PairBasis.SHAPE and not pair.ambiguous for pair in renames)


def test_layers_keep_their_numbers_whatever_the_order_in_the_file() -> None:
    shapes = llama_shapes(**LLAMA)
    other = renamed(shapes, {"mlp.down_proj": "omega"})
    alphabetical = {name: other[name] for name in sorted(other)}
    found = paired(shapes, alphabetical)
    assert names(found) == mapped(shapes, {"mlp.down_proj": "omega"})


def test_modules_that_only_share_their_last_name_are_left_to_shapes_and_weights() -> None:
    a = {f"net.{name}.conv.weight": (8, 8) for name in ("alpha", "beta", "gamma")}
    b = {f"net.{name}.conv.weight": (8, 8) for name in ("delta", "epsilon", "zeta")}
    found = paired(a, b)
    assert set(bases(found)) == {PairBasis.SHAPE}
    assert all(pair.ambiguous for pair in found.pairs)


def test_hundreds_of_modules_that_only_share_their_last_name_are_paired_in_seconds() -> None:
    a = {f"net.x{k:04d}q.conv.weight": (8, 8) for k in range(300)}
    b = {f"net.y{k:04d}q.conv.weight": (8, 8) for k in range(300)}
    began = time.monotonic()
    assert len(paired(a, b).pairs) == 300
    assert time.monotonic() - began < 20


def test_a_user_knows_better() -> None:
    a = {"left.conv.weight": (8, 8), "right.conv.weight": (8, 8)}
    b = {"left.conv.weight": (8, 8), "other.conv.weight": (8, 8)}
    found = paired(a, b, left="other")
    assert names(found)["left.conv.weight"] == "other.conv.weight"
    assert bases(found)[PairBasis.USER] == 1
    with pytest.raises(UsageError, match="no tensor under"):
        paired(a, b, nowhere="other")


def test_ranks_and_biases_are_not_mixed() -> None:
    assert paired({"a.weight": (8, 8)}, {"a.weight": (8,)}).pairs == ()
    assert paired({"a.weight": (8,)}, {"b.bias": (8,)}).pairs == ()


SHAPES = st.sampled_from([(), (1,), (8,), (16,), (8, 8), (8, 16), (8, 8, 3, 3)])
NAMES = st.one_of(
    st.sampled_from(sorted(architectures.gpt2() | architectures.clip() | architectures.lstm())),
    st.lists(st.sampled_from(["a", "b", "0", "1", "01", "{i}", "conv", "weight", "bias"]), min_size=1, max_size=4).map(
        ".".join
    ),
)
CHECKPOINTS = st.dictionaries(NAMES, SHAPES, max_size=25)


@settings(deadline=None, max_examples=150)
@given(CHECKPOINTS, CHECKPOINTS)
def test_every_tensor_is_paired_once_or_left_over(a: Shapes, b: Shapes) -> None:
    found = paired(a, b)
    for side, shapes, left in ((lambda p: p.a, a, found.only_a), (lambda p: p.b, b, found.only_b)):
        seen = [side(pair).name for pair in found.pairs] + [part.name for part in left]
        assert sorted(seen) == sorted(shapes)
    for pair in found.pairs:
        assert len(pair.a.shape) == len(pair.b.shape)
        assert (pair.a.kind == "bias") == (pair.b.kind == "bias")
        if pair.basis is PairBasis.SHAPE:
            assert (len(pair.a.index), pair.a.index[1:]) == (len(pair.b.index), pair.b.index[1:])


@settings(deadline=None, max_examples=50)
@given(CHECKPOINTS, CHECKPOINTS, st.randoms(use_true_random=False))
def test_the_order_in_the_files_does_not_matter(a: Shapes, b: Shapes, random: object) -> None:
    def mixed(shapes: Shapes) -> Shapes:
        items = list(shapes.items())
        random.shuffle(items)
        return dict(items)

    assert names(paired(mixed(a), mixed(b))) == names(paired(a, b))


def test_reassignment_moves_partners_and_leaves_none_twice() -> None:
    a = {f"a.{x}.weight": (8, 8) for x in "xyz"}
    b = {f"b.{x}.weight": (8, 8) for x in "xyz"} | {"b.w.weight": (8, 8)}
    found = paired(a, b)
    parts = {part.name: part for part in (*(pair.b for pair in found.pairs), *found.only_b)}
    for one, other in itertools.product(sorted(a), sorted(b)):
        moved = reassigned(found, {one: parts[other]})
        assert names(moved)[one] == other
        assert len(set(names(moved).values())) == len(moved.pairs)
        left_b = {part.name for part in moved.only_b}
        assert left_b | set(names(moved).values()) == set(b)
        assert {part.name for part in moved.only_a} | set(names(moved)) == set(a)
        assert moved.searched is (other != names(found).get(one))
