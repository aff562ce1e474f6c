"""GGUF files as the converter and the quantiser of llama.cpp write them: one `model.gguf` with its vocabulary.

Tensors go by llama.cpp's names, norms and biases are float32, and for the llamas the rows of queries and keys are in
Meta's order, in which the two halves of a rotary pair lie side by side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from torch import Tensor

from bench.zoo import folder, tokenizer
from bench.zoo.derivatives.derivation import Derivation, Truth

FILE = "model.gguf"
CHANGED = {
    Type.F16: {"kind": "dtype_cast"},
    Type.Q8_0: {"kind": "quantised", "bits": 8, "group_size": 32, "scheme": "Q8_0"},
    Type.Q4_0: {"kind": "quantised", "bits": 4, "group_size": 32, "scheme": "Q4_0"},
}
"""Types of the matrices, and what they do to the values.

The K formats need widths that are multiples of 256; llama.cpp falls back to others where they are not.
"""
FILE_TYPE = {
    Type.F16: gguf.LlamaFileType.MOSTLY_F16,
    Type.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
    Type.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How llama.cpp calls a family; `interleaved` says that its queries and keys are stored in Meta's order."""

    arch: gguf.MODEL_ARCH
    interleaved: bool

    @property
    def name(self) -> str:
        """Its name in the file's metadata."""
        return gguf.MODEL_ARCH_NAMES[self.arch]


ARCHITECTURES = {
    "llama": Architecture(arch=gguf.MODEL_ARCH.LLAMA, interleaved=True),
    "qwen2": Architecture(arch=gguf.MODEL_ARCH.QWEN2, interleaved=False),
}
"""By `model_type` of `config.json`."""


def interleaved(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from the order of `transformers`, first halves of all rotary pairs first, to Meta's, by pairs.

    `rows` is (heads * head size, ...).
    """
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def names(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> dict[str, str]:
    """llama.cpp's name of every tensor.

    Raises
    ------
    ValueError
        llama.cpp has no name for a tensor.
    """
    architecture = ARCHITECTURES[settings["model_type"]]
    table = gguf.get_tensor_name_map(architecture.arch, settings["num_hidden_layers"])
    found = {name: table.get_name(name, try_suffixes=(".weight", ".bias")) for name in tensors}
    if unknown := [name for name, new in found.items() if new is None]:
        raise ValueError(f"llama.cpp has no name for {unknown[0]!r}")
    return found


def stored(name: str, tensor: Tensor, settings: Mapping[str, Any]) -> np.ndarray:
    """A tensor's float32 values in the order in which llama.cpp stores them."""
    values = tensor.float().numpy()
    if ARCHITECTURES[settings["model_type"]].interleaved:
        for part, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
            if part in name:
                return interleaved(values, settings[heads])
    return values


def kind_of(name: str, ndim: int, kind: Type, tied: bool) -> Type:
    """Type of a tensor in a file whose matrices are `kind`.

    Of a 4-bit file llama.cpp keeps the matrix that gives the logits in Q6_K, or in Q8_0 where the width rules that out.
    """
    if ndim == 1:
        return Type.F32
    output = name == ("token_embd.weight" if tied else "output.weight")
    return Type.Q8_0 if output and kind is Type.Q4_0 else kind


def write(file: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any], kind: Type) -> None:
    """Write a checkpoint of `transformers`, tensors by name and `config.json`, with its matrices as `kind`."""
    architecture = ARCHITECTURES[settings["model_type"]]
    writer = gguf.GGUFWriter(file, architecture.name)
    describe(writer, settings, kind)
    add_vocabulary(writer, settings)
    for name, called in names(tensors, settings).items():
        values = np.ascontiguousarray(stored(name, tensors[name], settings))
        chosen = kind_of(called, values.ndim, kind, settings["tie_word_embeddings"])
        writer.add_tensor(called, gguf.quantize(values, chosen), raw_dtype=chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def describe(writer: gguf.GGUFWriter, settings: Mapping[str, Any], kind: Type) -> None:
    """Add what the converter says about the architecture."""
    size = settings["hidden_size"] // settings["num_attention_heads"]
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("model")
    writer.add_block_count(settings["num_hidden_layers"])
    writer.add_context_length(settings["max_position_embeddings"])
    writer.add_embedding_length(settings["hidden_size"])
    writer.add_feed_forward_length(settings["intermediate_size"])
    writer.add_head_count(settings["num_attention_heads"])
    writer.add_head_count_kv(settings["num_key_value_heads"])
    writer.add_rope_freq_base(settings["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(settings["rms_norm_eps"])
    if "head_dim" in settings:
        writer.add_key_length(size)
        writer.add_value_length(size)
    writer.add_file_type(FILE_TYPE[kind])
    if settings["model_type"] == "llama":
        writer.add_vocab_size(settings["vocab_size"])
        writer.add_rope_dimension_count(size)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def add_vocabulary(writer: gguf.GGUFWriter, settings: Mapping[str, Any]) -> None:
    """Add the tokens of the shared tokenizer, their kinds and merges."""
    vocabulary = tokenizer.tokenizer().get_vocab()
    merges = json.loads(tokenizer.FILE.read_text())["model"]["merges"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    special = (gguf.TokenType.CONTROL if token in tokenizer.SPECIAL else gguf.TokenType.NORMAL for token in tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(list(special))
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(settings["bos_token_id"])
    writer.add_eos_token_id(settings["eos_token_id"])
    writer.add_pad_token_id(settings["pad_token_id"])


def converted(family: str, kind: Type) -> Derivation:
    """Seed 0 of a family as a GGUF file with matrices of one type."""

    def make(parents: Sequence[Path], target: Path) -> Truth:
        tensors, settings = folder.weights(parents[0]), folder.config(parents[0])
        write(target / FILE, tensors, settings, kind)
        same = kind is Type.F16
        lost = same and any(not torch.equal(value.half().to(value.dtype), value) for value in tensors.values())
        return Truth(
            relation="identical" if same else "derived",
            kinds=(CHANGED[kind], {"kind": "renamed"}, {"kind": "container", "format": "gguf"}),
            direction="undirected" if same and not lost else "a_to_b",
            renames=names(tensors, settings),
            details={"interleaved": ARCHITECTURES[settings["model_type"]].interleaved},
        )

    return Derivation(
        name=f"{family}-gguf-{kind.name.lower()}",
        transform="GGUF conversion",
        tool="gguf",
        parents=(f"{family}-0",),
        make=make,
    )


DERIVATIONS = tuple(converted(family, kind) for family in ("llama", "qwen") for kind in CHANGED)
