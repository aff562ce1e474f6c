"""Meta's tensor-parallel slices and single files: put together, in the order of rows that most checkpoints have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CorruptCheckpoint, UnreadableTensor
from fingerprints.readers import open_checkpoint, weight_sets
from provenance import Relation, compare

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"
BASE = BASES / "llama-0"
HEADS, KV_HEADS, WIDTH = 4, 2, 96
PARAMS = {"dim": WIDTH, "n_heads": HEADS, "n_kv_heads": KV_HEADS, "n_layers": 5, "norm_eps": 1e-6, "vocab_size": -1}
NAMES = {
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.up_proj": "feed_forward.w3",
    "mlp.down_proj": "feed_forward.w2",
    "model.embed_tokens": "tok_embeddings",
    "lm_head": "output",
    "model.": "",
}
BY_INPUT = ("wo.weight", "w2.weight")


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The inverse of the published conversion `w.view(h, d // 2, 2, n).transpose(1, 2).reshape(h * d, n)`."""
    rows, columns = weight.shape
    return weight.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns).contiguous()


def original() -> dict[str, torch.Tensor]:
    """The base under Meta's names, in Meta's order of rows."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(BASE / "model.safetensors").items():
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        if name.endswith("wq.weight"):
            tensor = interleaved(tensor, HEADS)
        if name.endswith("wk.weight"):
            tensor = interleaved(tensor, KV_HEADS)
        found[name] = tensor
    return found | {"rope.freqs": 1.0 / 10000 ** (torch.arange(0, 24, 2).float() / 24)}


def write_slices(folder: Path, count: int, *, embedding_axis: int = 1, params: object = PARAMS) -> Path:
    folder.mkdir()
    for at in range(count):
        part = {}
        for name, tensor in original().items():
            axis = 1 if name.endswith(BY_INPUT) else embedding_axis if name == "tok_embeddings.weight" else 0
            part[name] = tensor.chunk(count, axis)[at].clone() if tensor.dim() == 2 else tensor
        torch.save(part, folder / f"consolidated.{at:02d}.pth")
    if params is not None:
        (folder / "params.json").write_text(json.dumps(params))
    return folder


def values(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    rows = checkpoint.rows(name, 0, checkpoint.tensors[name].shape[0])
    return torch.from_numpy(rows.astype("float32"))


@pytest.mark.parametrize(("count", "axis"), [(1, 0), (2, 1), (2, 0)])
def test_slices_are_the_model(tmp_path: Path, count: int, axis: int) -> None:
    folder = write_slices(tmp_path / "meta", count, embedding_axis=axis)
    base = load_file(BASE / "model.safetensors")
    with open_checkpoint(folder) as checkpoint:
        assert not checkpoint.origin.findings
        assert len(checkpoint.tensors) == len(base) + 1
        for theirs, ours in (
            ("model.embed_tokens.weight", "tok_embeddings.weight"),
            ("model.layers.3.self_attn.q_proj.weight", "layers.3.attention.wq.weight"),
            ("model.layers.3.self_attn.k_proj.weight", "layers.3.attention.wk.weight"),
            ("model.layers.3.self_attn.o_proj.weight", "layers.3.attention.wo.weight"),
            ("model.layers.3.mlp.down_proj.weight", "layers.3.feed_forward.w2.weight"),
            ("lm_head.weight", "output.weight"),
        ):
            expected = base[theirs].float()
            assert torch.equal(values(checkpoint, ours), expected)
            flat = [block.astype("float32") for block in checkpoint.blocks(ours, 1000)]
            assert max(block.size for block in flat) <= 500
            assert torch.equal(torch.cat([torch.from_numpy(block) for block in flat]), expected.flatten())
            some = [0, 1, 7, 30, 47]
            assert torch.equal(torch.from_numpy(checkpoint.take(ours, some).astype("float32")), expected[some])
    assert compare(folder, BASE).verdict.relation is Relation.IDENTICAL


def test_slices_of_a_stranger_are_independent(tmp_path: Path) -> None:
    assert compare(write_slices(tmp_path / "meta", 2), BASES / "llama-1").verdict.relation is Relation.INDEPENDENT


def test_a_single_safetensors_file_of_mistral(tmp_path: Path) -> None:
    save_file(original(), tmp_path / "consolidated.safetensors")
    (tmp_path / "params.json").write_text(json.dumps(PARAMS | {"head_dim": 24, "hidden_dim": 224}))
    assert compare(tmp_path, BASE).verdict.relation is Relation.IDENTICAL


def test_few_rows_cost_few_bytes(tmp_path: Path) -> None:
    with open_checkpoint(write_slices(tmp_path / "meta", 2)) as checkpoint:
        checkpoint.take("layers.0.attention.wo.weight", [0, 50])
        assert checkpoint.bytes_read <= 2 * WIDTH * 2 + 2 * 2 * WIDTH * 2
        before = checkpoint.bytes_read
        checkpoint.take("layers.0.attention.wq.weight", [0, 50])
        assert checkpoint.bytes_read - before == 2 * WIDTH * 2


def test_without_the_number_of_heads_the_order_is_left_and_said(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "meta", 2, params=None)
    with open_checkpoint(folder) as checkpoint:
        assert [finding.code for finding in checkpoint.origin.findings] == ["row-order-unknown"]
        stored = original()["layers.0.attention.wq.weight"].float()
        assert torch.equal(values(checkpoint, "layers.0.attention.wq.weight"), stored)


def test_a_missing_slice_is_named(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "meta", 4)
    (folder / "consolidated.03.pth").unlink()
    with pytest.raises(CorruptCheckpoint, match=r"3 slices .* needs 4") as caught:
        open_checkpoint(folder)
    assert (caught.value.limit, caught.value.actual) == (4, 3)
    (folder / "consolidated.01.pth").unlink()
    with pytest.raises(CorruptCheckpoint, match="not numbered from 0 to 1"):
        open_checkpoint(folder)
    assert [known.readable for known in weight_sets(folder)] == [False]


def test_slices_of_two_models_are_refused(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "meta", 2)
    other = torch.load(folder / "consolidated.01.pth")
    other["norm.weight"] = other["norm.weight"] + 1
    torch.save(other, folder / "consolidated.01.pth")
    with pytest.raises(CorruptCheckpoint, match=r"'norm\.weight' differs"):
        open_checkpoint(folder)


def test_one_tensor_whose_slices_do_not_fit_is_unreadable_alone(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "meta", 2)
    other = torch.load(folder / "consolidated.01.pth")
    other["layers.1.attention.wv.weight"] = other["layers.1.attention.wv.weight"][:5].clone()
    other["odd"] = torch.ones(3, 5)
    torch.save(other, folder / "consolidated.01.pth")
    with open_checkpoint(folder) as checkpoint:
        with pytest.raises(UnreadableTensor, match=r"slices differ: BF16 \(24, 96\), BF16 \(5, 96\)"):
            checkpoint.rows("layers.1.attention.wv.weight", 0, 1)
        assert checkpoint.rows("odd", 0, 1).tolist() == [[1] * 5]
        assert checkpoint.rows("layers.1.attention.wq.weight", 0, 1).shape == (1, WIDTH)
