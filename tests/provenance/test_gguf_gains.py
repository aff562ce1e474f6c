"""Models with gains around zero and their GGUF files, which hold 1 + g."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import save_file

from provenance import Relation, compare
from provenance.result import Result
from tests import ggufs

transformers = pytest.importorskip("transformers")

Tensors = dict[str, torch.Tensor]
SIZES = {
    "hidden_size": 96,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 128,
}
FAMILIES: dict[str, tuple[str, str, Any]] = {
    "gemma": ("GemmaConfig", "GemmaForCausalLM", gguf.MODEL_ARCH.GEMMA),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", gguf.MODEL_ARCH.GEMMA2),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", gguf.MODEL_ARCH.GEMMA3),
    "nemotron": ("NemotronConfig", "NemotronForCausalLM", gguf.MODEL_ARCH.NEMOTRON),
}


def weights(family: str, seed: int, dtype: torch.dtype = torch.float32) -> Tensors:
    """A model of the family with gains that were moved away from zero."""
    config, model, _ = FAMILIES[family]
    made = getattr(transformers, model)(getattr(transformers, config)(**SIZES))
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(values.shape, generator=generator) * (0.05 if values.ndim > 1 else 0.4)).to(dtype)
        for name, values in made.state_dict().items()
        if name != "lm_head.weight" or not made.config.tie_word_embeddings
    }


def saved(folder: Path, tensors: Tensors) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    return folder


def converted(path: Path, family: str, tensors: Tensors, *, scheme: str = "F32", raised: bool = True) -> Path:
    """The file that llama.cpp's converter would write, by the names of the `gguf` package."""
    names = gguf.get_tensor_name_map(FAMILIES[family][2], SIZES["num_hidden_layers"])
    made = {}
    for name, values in tensors.items():
        shown = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert shown is not None
        floats = values.float()
        if raised and name.endswith("norm.weight"):
            floats = floats + 1
        made[shown] = floats.numpy(), "F32" if floats.ndim == 1 else scheme
    return ggufs.write(path, family, made)


def layouts(result: Result) -> set[str]:
    return {entry.layout for entry in result.architecture.layouts}


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("scheme", ["F32", "F16"])
def test_the_file_of_a_model_is_identical_and_that_of_another_is_independent(
    family: str, scheme: str, tmp_path: Path
) -> None:
    tensors = weights(family, 0, torch.float32 if scheme == "F32" else torch.bfloat16)
    original = saved(tmp_path / "original", tensors)
    file = converted(tmp_path / "model.gguf", family, tensors, scheme=scheme)
    for pair in ((original, file), (file, original)):
        result = compare(*pair)
        assert result.verdict.relation is Relation.IDENTICAL
        assert layouts(result) == {"raised_gains"}
        assert result.architecture.paired == len(tensors)
    stranger = converted(tmp_path / "stranger.gguf", family, weights(family, 1), scheme=scheme)
    assert compare(original, stranger).verdict.relation is Relation.INDEPENDENT


def test_every_gain_and_nothing_else_is_raised(tmp_path: Path) -> None:
    tensors = weights("nemotron", 0)
    result = compare(saved(tmp_path / "a", tensors), converted(tmp_path / "model.gguf", "nemotron", tensors))
    (note,) = result.architecture.layouts
    assert note.tensors == note.views == sum(name.endswith("norm.weight") for name in tensors) == 7


def test_gains_that_hold_the_one_already_are_left_alone(tmp_path: Path) -> None:
    tensors = weights("gemma", 0)
    whole = {name: values + 1 if name.endswith("norm.weight") else values for name, values in tensors.items()}
    result = compare(saved(tmp_path / "a", whole), converted(tmp_path / "model.gguf", "gemma", tensors))
    assert result.verdict.relation is Relation.IDENTICAL
    assert layouts(result) == set()


def test_two_files_and_other_architectures_are_left_alone(tmp_path: Path) -> None:
    tensors = weights("gemma", 0)
    one = converted(tmp_path / "one.gguf", "gemma", tensors)
    two = converted(tmp_path / "two.gguf", "gemma", tensors)
    assert layouts(compare(one, two)) == set()
    plain = {name: torch.from_numpy(v.numpy()) for name, v in tensors.items()}
    made = converted(tmp_path / "three.gguf", "gemma", plain, raised=False)
    renamed = made.read_bytes().replace(b"\x05\0\0\0\0\0\0\0gemma", b"\x05\0\0\0\0\0\0\0llama")
    made.write_bytes(renamed)
    assert "raised_gains" not in layouts(compare(saved(tmp_path / "a", plain), made))


def test_a_final_norm_of_another_length_does_not_stop_it(tmp_path: Path) -> None:
    tensors = weights("gemma", 0)
    original = saved(tmp_path / "original", {**tensors, "model.norm.weight": torch.zeros(95)})
    result = compare(original, converted(tmp_path / "model.gguf", "gemma", tensors))
    assert layouts(result) == {"raised_gains"}
    assert result.verdict.relation is not Relation.INDEPENDENT
