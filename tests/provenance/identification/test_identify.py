from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fingerprints.fingerprint.retrieval import RetrievalTable
from provenance.identification import IdentifyOptions, identify
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.library.library import retrieval
from provenance.result import Relation
from tests.checkpoints import LLAMA_2_7B, YI_34B, llama_shapes, renamed, write_header_only, write_values

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"
KNOWN = ("llama-0", "llama-1", "qwen-0", "qwen-1", "bert-0", "gpt2-0", "mixtral-0")
STRANGERS = ("llama-2", "qwen-2", "bert-1", "gpt2-1", "mixtral-1")
PRINTS = IdentifyOptions(weights=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known") / "library"
    with Library(folder, create=True) as library:
        for name in KNOWN:
            add_path(library, BASES / name, family=name.split("-")[0])
    return folder


@pytest.fixture
def library(folder: Path):
    with Library(folder) as opened:
        yield opened


def changed(name: str, folder: Path, *, by: float, seed: int = 1) -> Path:
    """A base to which noise was added, `by` of each matrix' size."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for key, stored in load_file(BASES / name / "model.safetensors").items():
        values = stored.astype(np.float32)
        noise = rng.standard_normal(values.shape).astype(np.float32)
        tensors[key] = values + (by * values.std() * noise if values.ndim > 1 else 0)
    return write_values(folder, tensors)


@pytest.mark.parametrize("name", KNOWN)
def test_a_changed_model_is_found_and_its_base_is_the_closest(name: str, library: Library, tmp_path: Path) -> None:
    found = identify(changed(name, tmp_path / "child", by=0.1), library, PRINTS)
    assert found.closest == (name,)
    assert found.candidates[0].relation is Relation.DERIVED
    assert found.candidates[0].distance == pytest.approx(0.1, abs=0.02)
    assert found.alpha == pytest.approx(1e-6 / len(KNOWN))
    assert [each.name for each in found.candidates] == [name]


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_of_the_same_recipe_has_no_candidate(name: str, library: Library) -> None:
    found = identify(BASES / name, library, PRINTS)
    assert found.candidates == ()
    assert found.closest == ()
    assert found.searched == len(KNOWN)
    assert found.layouts[0].relation == "identical"
    assert found.layouts[0].source == "library"


def test_equal_weights_are_identical_and_weights_at_hand_are_read(library: Library) -> None:
    found = identify(BASES / "bert-0", library)
    assert found.candidates[0].relation is Relation.IDENTICAL
    assert found.candidates[0].basis == "weights"
    assert found.candidates[0].distance == 0.0


def test_parent_before_grandparent_and_siblings_that_tie_are_a_set(folder: Path, tmp_path: Path) -> None:
    with Library(tmp_path / "family", create=True) as library:
        add_path(library, BASES / "llama-0", name="grandparent")
        parent = changed("llama-0", tmp_path / "parent", by=0.2)
        add_path(library, parent, name="parent")
        rng = np.random.default_rng(5)
        stored = load_file(parent / "model.safetensors")
        child = {
            name: values + (0.1 * values.std() * rng.standard_normal(values.shape) if values.ndim > 1 else 0)
            for name, values in stored.items()
        }
        path = write_values(tmp_path / "child", {name: np.float32(values) for name, values in child.items()})
        found = identify(path, library, PRINTS)
        assert found.closest == ("parent",)
        assert [(each.name, each.through) for each in found.candidates] == [
            ("parent", None),
            ("grandparent", "parent"),
        ]
        one, other = (changed("llama-0", tmp_path / f"twin{seed}", by=0.3, seed=seed) for seed in (7, 8))
        for twin in (one, other):
            add_path(library, twin, name=twin.name)
        halves = [load_file(twin / "model.safetensors") for twin in (one, other)]
        merge = {name: (halves[0][name] + halves[1][name]) / 2 for name in halves[0]}
        library.remove("grandparent")
        found = identify(write_values(tmp_path / "merge", merge), library, PRINTS)
        assert set(found.closest) == {"twin7", "twin8"}


def test_declared_bases_are_held_against_what_was_found(library: Library, tmp_path: Path) -> None:
    child = changed("llama-0", tmp_path / "child", by=0.1)
    (child / "config.json").write_text('{"base_model": "llama-1", "_name_or_path": "llama-0"}')
    (child / "README.md").write_text("---\nbase_model: acme/bert-0\n---\n# A card\n")
    found = identify(child, library, PRINTS)
    assert {each.name: (each.related, each.closest) for each in found.declared} == {
        "acme/bert-0": (None, None),
        "llama-1": (False, False),
        "llama-0": (True, True),
    }


def test_without_a_library_the_architecture_is_named(tmp_path: Path) -> None:
    found = identify(write_header_only(tmp_path / "seven", llama_shapes(**LLAMA_2_7B)), None)
    names = {name for layout in found.layouts for name in (layout.name, *layout.others)}
    assert "meta-llama/Llama-2-7b-hf" in names
    assert found.layouts[0].relation == "identical"
    assert found.candidates == ()
    assert found.build_bytes is not None
    assert f"{found.build_bytes / 1e6:,.0f} MB" in found.summary
    rules = {"input_layernorm": "ln1", "post_attention_layernorm": "ln2"}
    yi = renamed(llama_shapes(**YI_34B), rules)
    found = identify(write_header_only(tmp_path / "yi", yi), None)  # type: ignore[arg-type]
    first = found.layouts[0]
    assert "01-ai/Yi-34B" in (first.name, *first.others)
    assert (first.relation, first.sizes, len(first.renamed)) == ("renamed", (), 2)
    assert "2 roles renamed" in found.summary


def test_a_damaged_fingerprint_is_left_out_and_said_so(folder: Path, tmp_path: Path) -> None:
    with Library(tmp_path / "library", create=True) as library:
        for name in ("gpt2-0", "gpt2-1"):
            add_path(library, BASES / name)
        library.file_of(library.entry("gpt2-1").content).write_bytes(b"gone")
        found = identify(BASES / "gpt2-0", library, PRINTS)
        assert found.closest == ("gpt2-0",)
        assert [each.subject for each in found.not_measured] == ["gpt2-1"]


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_searched_in_seconds(library: Library) -> None:
    entry = library.entry("llama-0")
    wanted = retrieval(library.read(entry.content))
    rng = np.random.default_rng(0)
    count = 100_000
    sketches = rng.integers(-90, 90, (count, 3, 256), dtype=np.int8)
    sketches[777] = wanted.sketch
    marks = rng.integers(0, 1 << 63, (count, 16), dtype=np.uint64)
    table = RetrievalTable(sketches=sketches, marks=marks, shapes=("",) * count, layouts=("",) * count)
    started = time.process_time()
    scores = table.scores(wanted)
    assert time.process_time() - started < 5
    assert int(np.argmax(scores)) == 777
    assert scores[777] > 0.9
    assert np.delete(scores, 777).max() < 0.5


@pytest.fixture
def disguised(tmp_path: Path) -> Path:
    """A copy of llama-0 whose residual stream is in another order."""
    stored = load_file(BASES / "llama-0" / "model.safetensors")
    width = stored["model.norm.weight"].shape[0]
    order = np.random.default_rng(3).permutation(width)
    tensors = {}
    for name, values in stored.items():
        for axis, length in enumerate(values.shape):
            writes = axis == 0 and ("o_proj" in name or "down_proj" in name or values.ndim == 1)
            if length == width and (writes or (axis == 1 and not ("o_proj" in name or "down_proj" in name))):
                values = np.take(values, order, axis=axis)
        tensors[name] = values.astype(np.float32)
    return write_values(tmp_path / "disguised", tensors)


def test_a_disguised_copy_is_found_by_weights_at_hand_and_suspected_without(library: Library, disguised: Path) -> None:
    found = identify(disguised, library)
    assert found.closest == ("llama-0",)
    assert (found.candidates[0].relation, found.candidates[0].basis) == (Relation.DERIVED, "weights")
    assert found.candidates[0].distance is None
    bare = identify(disguised, library, PRINTS)
    assert bare.candidates == ()
    assert [(each.signal, each.subject) for each in bare.not_measured] == [("disguise", "llama-0")]
    assert "alike" in bare.not_measured[0].reason


@pytest.mark.parametrize("renumbered", [False, True])
def test_a_narrower_or_deeper_copy_in_disguise_is_found_by_weights_at_hand(
    library: Library, disguised: Path, tmp_path: Path, renumbered: bool
) -> None:
    tensors = load_file(disguised / "model.safetensors")
    if renumbered:
        added = {name.replace("layers.4.", "layers.5."): values for name, values in tensors.items() if ".4." in name}
        tensors |= {
            name: 0 * values if "o_proj" in name or "down_proj" in name else values for name, values in added.items()
        }
    else:
        kept = np.sort(np.random.default_rng(4).permutation(224)[:192])
        for name, values in tensors.items():
            if ".mlp." in name:
                tensors[name] = np.take(values, kept, axis=1 if "down_proj" in name else 0)
    found = identify(write_values(tmp_path / "copy", tensors), library)
    assert found.closest == ("llama-0",)
    assert found.candidates[0].basis == "weights"
