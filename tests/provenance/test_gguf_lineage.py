"""A GGUF file is recognised as what it was made from, in every type, and as nothing else."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from provenance.comparison import compare
from provenance.result import Relation, Result
from tests import ggufs
from tests.checkpoints import llama_shapes, write_values

SIZES = {"layers": 2, "hidden": 256, "mlp": 512, "heads": 4, "kv_heads": 2, "vocabulary": 128}
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.layers": "blk",
}


def weights(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        name: (generator.standard_normal(shape) * 0.05 + (len(shape) == 1)).astype(ml_dtypes.bfloat16)
        for name, shape in llama_shapes(**SIZES).items()
    }


def converted(path: Path, tensors: dict[str, np.ndarray], scheme: str) -> Path:
    """The file that llama.cpp's converter and quantiser would make."""
    made = {}
    for name, values in tensors.items():
        floats = values.astype(np.float32)
        for part, heads in (("q_proj", SIZES["heads"]), ("k_proj", SIZES["kv_heads"])):
            if part in name:
                floats = floats.reshape(heads, 2, -1, SIZES["hidden"]).swapaxes(1, 2).reshape(floats.shape)
        for old, new in NAMES.items():
            name = name.replace(old, new)
        made[name] = floats, "F32" if floats.ndim == 1 else scheme
    keys = {"attention.head_count": SIZES["heads"], "attention.head_count_kv": SIZES["kv_heads"]}
    return ggufs.write(path, "llama", made, keys)


def hits(result: Result) -> tuple[int, int]:
    decisive = [entry for entry in result.evidence if entry.decides]
    return sum(entry.hits or 0 for entry in decisive), sum(entry.units for entry in decisive)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_values(tmp_path_factory.mktemp("original"), weights(0))


def test_half_precision_is_identical(original: Path, tmp_path: Path) -> None:
    result = compare(original, converted(tmp_path / "model.gguf", weights(0), "F16"))
    assert result.verdict.relation is Relation.IDENTICAL
    assert result.architecture.paired == len(weights(0))
    assert "container" in {kind.kind for kind in result.verdict.kinds}


@pytest.mark.parametrize("scheme", ["Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q4_K", "Q4_0", "Q3_K", "Q2_K"])
def test_quantised_weights_are_derived(original: Path, tmp_path: Path, scheme: str) -> None:
    result = compare(original, converted(tmp_path / "model.gguf", weights(0), scheme))
    assert result.verdict.relation is Relation.DERIVED
    (kind,) = [kind for kind in result.verdict.kinds if kind.kind == "quantised"]
    assert kind.parameters["scheme"] == scheme
    assert kind.parameters["side"] == "b"
    found, units = hits(result)
    assert found >= 0.95 * units > 0


@pytest.mark.parametrize("scheme", ["F16", "Q4_K", "Q2_K"])
def test_other_weights_of_the_same_shapes_are_independent(original: Path, tmp_path: Path, scheme: str) -> None:
    result = compare(original, converted(tmp_path / "model.gguf", weights(1), scheme))
    assert result.verdict.relation is Relation.INDEPENDENT
