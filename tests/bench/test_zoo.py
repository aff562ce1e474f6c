"""The bases that ship, and how derivatives are made, kept and made again."""

import json

import pytest
import torch

from bench.zoo import bases, derive, folder
from bench.zoo.cache import DATA
from bench.zoo.derivatives import DERIVATIONS, MODULES
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.families import FAMILIES

LARGEST = 20_000_000
KINDS = {
    *("renamed", "resharded", "container", "dtype_cast", "fine_tune", "continued_pretraining", "adapter_merge"),
    *("quantised", "abliterated", "noise_added", "head_replaced", "pruned_unstructured", "pruned_n_m", "pruned_width"),
    *("pruned_depth", "depth_upscaled", "vocabulary_change", "merged", "moe_upcycled", "component_reuse", "disguised"),
}


def test_every_base_ships_as_the_manifest_says():
    assert bases.manifest().keys() == bases.BASES.keys()


def test_the_bases_are_small():
    assert sum(file.stat().st_size for file in DATA.rglob("*") if file.is_file()) < LARGEST


def test_every_base_has_learned():
    for name, record in bases.manifest().items():
        assert record["last_loss"] < 0.6 * record["first_loss"], name


@pytest.mark.parametrize("family", FAMILIES)
def test_there_are_three_seeds_of_a_family_and_no_two_are_equal(family):
    weights = [folder.weights(bases.BASES[f"{family}-{seed}"].folder) for seed in (0, 1, 2)]
    matrices = [name for name, value in weights[0].items() if value.ndim > 1]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not any(torch.equal(weights[i][name], weights[j][name]) for name in matrices)


def test_the_decoders_hold_nothing_of_their_encoder():
    encoder = folder.weights(bases.BASES["llama-2"].folder).values()
    for name in ("decoder-0", "decoder-1"):
        tensors = folder.weights(bases.BASES[name].folder)
        assert "model.embed_tokens.weight" not in tensors
        matrices = [value for value in tensors.values() if value.ndim > 1]
        assert not any(torch.equal(mine, theirs) for mine in matrices for theirs in encoder)


def test_derivations_have_names_of_their_own_and_parents_that_exist():
    listed = [each.name for module in MODULES for each in module.DERIVATIONS]
    assert len(listed) == len(set(listed))
    assert not set(listed) & bases.BASES.keys()
    for name in listed:
        assert set(DERIVATIONS[name].parents) <= DERIVATIONS.keys() | bases.BASES.keys()
        assert derive.with_parents([name])[-1] == name


def test_no_family_is_without_a_fine_tune():
    assert {derive.family(name) for name in DERIVATIONS if name.endswith("-tuned")} == set(FAMILIES)


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """One derivation that counts how often it is made, in a cache of its own."""
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path))
    made = []

    def make(parents, target):
        made.append(parents)
        folder.write(target, {"a": torch.ones(3)}, {"made": len(made)})
        return Truth(kinds=({"kind": "fine_tune"},), layer_map=(0, 1))

    derivation = Derivation(name="x", transform="x", tool="torch", parents=("llama-0",), make=make)
    monkeypatch.setitem(derive.DERIVATIONS, "x", derivation)
    return made


def test_a_derivative_is_made_once_with_its_truth(workshop):
    assert not derive.made("x")
    derive.make("x")
    assert derive.made("x")
    assert workshop == [[bases.BASES["llama-0"].folder]]
    assert derive.truth("x") == Truth(kinds=({"kind": "fine_tune"},), layer_map=(0, 1))


def test_a_derivative_whose_files_changed_is_made_again(workshop):
    derive.make("x")
    (derive.folder("x") / "config.json").write_text("{}")
    assert not derive.made("x")


def test_a_derivative_of_another_parent_is_made_again(workshop):
    derive.make("x")
    record = json.loads((derive.folder("x") / derive.RECORD).read_text())
    record["recipe"]["parents"]["llama-0"]["model.safetensors"] = "0"
    (derive.folder("x") / derive.RECORD).write_text(json.dumps(record))
    assert not derive.made("x")


def test_a_failure_leaves_no_derivative_behind(workshop, monkeypatch):
    def fail(parents, target):
        (target / "half").write_text("written")
        raise RuntimeError("interrupted")

    failing = Derivation(name="x", transform="x", tool="torch", parents=("llama-0",), make=fail)
    monkeypatch.setitem(derive.DERIVATIONS, "x", failing)
    with pytest.raises(RuntimeError, match="interrupted"):
        derive.make("x")
    assert not derive.folder("x").exists()
    assert not derive.made("x")


def test_the_code_of_a_derivative_includes_what_it_imports_from_the_zoo():
    from bench.zoo.derivatives import packing

    names = {module.__name__ for module in derive.modules(packing)}
    assert {"bench.zoo.derivatives.packing", "bench.zoo.derivatives.calibrated", "bench.zoo.train"} <= names
    assert all(name.startswith("bench.zoo.") for name in names)
