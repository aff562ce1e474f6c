"""Disguises of untrained models: each keeps the logits, changes the weights, and permutations can be undone."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from bench.zoo import folder, symmetries, tokenizer
from bench.zoo.derivatives import disguises, laundering
from bench.zoo.derivatives.disguises import EVERYTHING, OF_FAMILY, SIMPLE, TOLERANCE, difference, disguise, logits, said
from bench.zoo.families import FAMILIES
from bench.zoo.matrices import mean_keeping, permutation, rotary
from bench.zoo.model import Model, change, multiply
from bench.zoo.train import generator

STEPS = [
    *((family, name, SIMPLE[name]) for family, names in OF_FAMILY.items() for name in names),
    *((family, "everything", steps) for family, steps in EVERYTHING.items()),
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """Untrained models by family, their gains and biases moved off one and zero as training moves them."""
    made = {}

    def get(name):
        if name not in made:
            place = tmp_path_factory.mktemp("bases") / name
            FAMILIES[name].build(0).save_pretrained(place)
            model = Model.read(place)
            random = generator("test", name)
            vectors = {
                key: value * (1 + 0.3 * torch.rand(value.shape, generator=random, dtype=torch.float64))
                + 0.1 * torch.rand(value.shape, generator=random, dtype=torch.float64)
                for key, value in sorted(model.tensors.items())
                if value.ndim == 1 and value.is_floating_point()
            }
            model = model.updated(vectors)
            folder.write(place, model.tensors, model.config)
            made[name] = place, model, logits(model, FAMILIES[name])
        return made[name]

    return get


@pytest.mark.parametrize(("family", "steps"), [pytest.param(f, s, id=f"{f}-{n}") for f, n, s in STEPS])
def test_a_disguise_keeps_the_logits_and_changes_the_weights(parent, family, steps):
    _, before, answers = parent(family)
    after = disguise(before, steps, generator("test", family, "disguise"))
    shifted = symmetries.shift_head in steps
    assert difference(answers, logits(after, FAMILIES[family]), shifted=shifted) < TOLERANCE / 10
    assert any(
        value.shape != after.tensors[name].shape or not torch.allclose(value, after.tensors[name], atol=1e-4)
        for name, value in before.tensors.items()
    )


def test_a_change_that_is_no_symmetry_is_an_error(parent):
    _, before, _ = parent("llama")
    space = before.layout.hidden[0]
    half = multiply(before, permutation(torch.arange(space.size).flip(0)), space.written)
    with pytest.raises(ArithmeticError, match="standard deviations"):
        disguises.kept(before, half, half, FAMILIES["llama"], ())


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_a_permutation_is_undone_exactly(parent, family):
    _, before, _ = parent(family)
    random = generator("test", "permutation")
    for space in (before.residual, *before.layout.hidden):
        order = torch.randperm(space.size, generator=random)
        written = space.written + space.gains
        moved = change(before, permutation(order), written, space.read)
        back = change(moved, permutation(order.argsort()), written, space.read)
        assert all(torch.equal(value, back.tensors[name]) for name, value in before.tensors.items())
        first = written[0]
        assert torch.equal(moved.tensors[first.name], before.tensors[first.name].index_select(first.axis, order))


def test_experts_move_with_their_names(parent):
    _, before, _ = parent("mixtral")
    after = symmetries.permute_experts(before, generator("test", "experts"))
    moved = disguises.moved(after)
    assert moved
    assert all(torch.equal(before.tensors[old], after.tensors[new]) for old, new in moved.items())


def test_inserted_layers_write_nothing_and_the_map_finds_the_others(parent):
    _, before, _ = parent("llama")
    after = symmetries.insert_layers(before, generator("test", "depth"))
    assert [layer for layer in after.layer_map if layer != symmetries.NEW] == list(range(5))
    for index, layer in enumerate(after.layer_map):
        down = after.tensors[f"model.layers.{index}.mlp.down_proj.weight"]
        old = None if layer == symmetries.NEW else before.tensors[f"model.layers.{layer}.mlp.down_proj.weight"]
        assert torch.equal(down, torch.zeros_like(down) if old is None else old)


def test_a_rotation_that_keeps_the_mean_is_orthogonal():
    matrix = mean_keeping(24, generator("test", "mean"))
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(24, dtype=torch.float64))
    torch.testing.assert_close(matrix.sum(0), torch.ones(24, dtype=torch.float64))


def test_a_rotary_change_commutes_with_rotary_positions():
    turn = rotary(8, generator("test", "one"))
    scale = turn @ turn.T
    position = rotary(8, generator("test", "other"))
    torch.testing.assert_close(turn @ position, position @ turn)
    torch.testing.assert_close(scale, scale.diagonal().diag())


def test_the_permuted_tokenizer_gives_the_permuted_ids():
    ids = torch.randperm(tokenizer.VOCABULARY, generator=generator("test", "ids"))
    other = Tokenizer.from_str(json.dumps(disguises.renumbered(ids)))
    text = "<s>A layer that adds nothing.</s>"
    assert other.encode(text).ids == [int(ids[token]) for token in tokenizer.tokenizer().encode(text).ids]
    assert other.decode(other.encode(text).ids, skip_special_tokens=False) == text


def test_the_same_derivation_gives_the_same_bytes(parent, tmp_path):
    derivation = next(each for each in disguises.DERIVATIONS if each.name == "llama-disguise-everything")
    truths = [derivation.make([parent("llama")[0]], tmp_path / name) for name in ("one", "other")]
    assert truths[0] == truths[1]
    assert truths[0].transforms == said(EVERYTHING["llama"])
    assert all(
        (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
        for name in ("model.safetensors", "config.json", "tokenizer.json")
    )


def test_a_laundered_fine_tune_is_found_by_its_truth(parent, tmp_path):
    place, before, _ = parent("llama")
    derivation = next(each for each in laundering.DERIVATIONS if each.name == "llama-laundered-plain")
    truth = derivation.make([place], tmp_path)
    found = folder.weights(tmp_path)
    shards = {file.name: len(load_file(file)) for file in tmp_path.glob("*.safetensors")}
    assert shards == {f"model-0000{shard}-of-00003.safetensors": 16 for shard in (1, 2, 3)}
    assert set(truth.renames) == set(before.tensors)
    assert all(torch.equal(before.tensors[old].half(), found[new]) for old, new in truth.renames.items())


def test_eight_bits_leave_few_values_in_a_row(parent):
    name = "model.layers.0.mlp.down_proj.weight"
    value = laundering.eight_bits(parent("llama")[1]).tensors[name]
    step = value.abs().amax(dim=1, keepdim=True) / 127
    torch.testing.assert_close(value / step, (value / step).round())
    assert not torch.equal(value, parent("llama")[1].tensors[name])
