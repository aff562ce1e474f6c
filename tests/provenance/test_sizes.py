"""What names claim about the number of parameters, held against the sizes of published models.

`data/base_models.csv` holds configuration facts of real base models, from the catalogue of Cisco's Model Provenance
Kit (Apache-2.0).
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from provenance.inspection import inspect
from provenance.result import FindingEntry
from provenance.sizes import claimed_sizes
from tests.checkpoints import LLAMA_2_7B, llama_shapes, write_header_only

ROWS = list(csv.DictReader((Path(__file__).parent / "data" / "base_models.csv").read_text().splitlines()))
BASE = Path(__file__).parents[2] / "bench" / "data" / "bases" / "llama-0"
TWO_MATRICES = {"bert", "bloom", "falcon", "gpt2", "gpt_neox", "gptj", "phi", "roberta", "starcoder2", "xlm-roberta"}
NOT_IN_THE_ROW = {"bolmo", "chatglm", "deepseek_v2", "lfm2", "nemotron_flash", "nemotron_h", "qwen3_5", "t5"}
"""Types with parts that the table does not describe: experts, state spaces, convolutions, a decoder beside."""


def parameters(row: dict[str, str]) -> float | None:
    """Matrices of a transformer, from its configuration; None where that does not tell."""
    if row["model_type"] in NOT_IN_THE_ROW:
        return None
    hidden, heads, vocabulary = int(row["hidden_size"]), int(row["heads"]), int(row["vocab_size"])
    width = int(row["head_dim"] or hidden // heads)
    attention = 2 * hidden * width * (heads + int(row["kv_heads"] or heads))
    mlp = int(row["intermediate_size"]) or 4 * hidden
    gated = row["model_type"] not in TWO_MATRICES
    layer = attention + (3 if gated else 2) * hidden * mlp
    return int(row["layers"]) * layer + vocabulary * hidden * (1 if row["tied_embeddings"] == "True" else 2)


def allows(name: str, count: float) -> bool:
    claims = claimed_sizes(name)
    return not claims or any(claim.least <= count <= claim.most for claim in claims)


COMPUTED = {row["hub_id"]: size for row in ROWS if (size := parameters(row)) is not None}


def test_most_published_models_are_covered() -> None:
    assert len(ROWS) == 152
    assert len(COMPUTED) > 125
    assert sum(bool(claimed_sizes(name)) for name in COMPUTED) > 100


@pytest.mark.parametrize("name", COMPUTED)
def test_a_published_model_holds_what_its_name_says(name: str) -> None:
    short = name.rpartition("/")[2]
    assert allows(short, COMPUTED[name]), (COMPUTED[name], claimed_sizes(short))
    if claimed_sizes(short):
        assert not allows(short, COMPUTED[name] / 5)
        assert not allows(short, COMPUTED[name] * 20)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Mixtral-8x7B-v0.1", 46.7),
        ("Mixtral-8x22B-Instruct-v0.1", 140.6),
        ("Qwen3-30B-A3B", 30.5),
        ("Qwen3-235B-A22B-Instruct-2507", 235.1),
        ("granite-3.0-1b-a400m-base", 1.33),
        ("OLMoE-1B-7B-0924", 6.92),
        ("Llama-4-Scout-17B-16E-Instruct", 108.6),
        ("gemma-3n-E4B-it", 7.85),
        ("internlm2_5-1_8b-chat", 1.89),
        ("stablelm-3b-4e1t", 2.8),
        ("TinyLlama-1.1B-intermediate-step-1431k-3T", 1.1),
        ("Qwen2.5-7B-Instruct-1M", 7.62),
        ("glm-4-9b-chat-1m", 9.48),
        ("gemma-2b", 2.51),
        ("Falcon3-1B-Base", 1.67),
        ("mistral-7b-instruct-v0.2.Q4_K_M.gguf", 7.24),
        ("Llama-3.2-3B-Instruct-bnb-4bit", 3.2),
        ("Yi-34B-200K", 34.4),
        ("gpt2", 0.124),
        ("bitnet-b1.58-2B-4T", 2.4),
        ("DeepSeek-V2-Lite", 15.7),
        ("NVIDIA-Nemotron-Nano-12B-v2-Base", 12.3),
        ("LFM2.5-350M", 0.354),
        ("Qwen3.5-0.8B", 0.87),
        ("chatglm3-6b", 6.24),
    ],
)
def test_names_with_more_than_one_number(name: str, billions: float) -> None:
    assert allows(name, billions * 1e9), claimed_sizes(name)


@pytest.mark.parametrize(
    ("name", "billions"),
    [("Yi-34B", 6.1), ("Mixtral-8x7B-v0.1", 7.2), ("Qwen3-30B-A3B", 3.0), ("stablelm-2-1_6b", 0.2), ("opt-350m", 1.3)],
)
def test_names_that_are_contradicted(name: str, billions: float) -> None:
    assert claimed_sizes(name)
    assert not allows(name, billions * 1e9)


@pytest.mark.parametrize("name", ["", "model.safetensors", "gpt2-xl", "b1.58", "w4a16", "4bit", "A3B", "e4b", "3bpw"])
def test_names_without_a_size(name: str) -> None:
    assert not claimed_sizes(name)


def test_long_and_odd_names_cost_nothing() -> None:
    assert len(claimed_sizes("1_1x" * 100_000 + "7b")) == 0
    assert len(claimed_sizes("9" * 100_000 + "b")) == 0
    assert claimed_sizes("٣b") == ()


def contradictions(folder: Path) -> list[FindingEntry]:
    return [found for found in inspect(folder).model.findings if found.code == "size-contradicts-name"]


def test_a_folder_is_called_what_it_is_not(tmp_path: Path) -> None:
    shapes = llama_shapes(**LLAMA_2_7B)
    folder = write_header_only(tmp_path / "Yi-34B", shapes)
    (found,) = contradictions(folder)
    assert found.message == "the name 'Yi-34B' says 34B, the weights hold 6.74 billion parameters"
    assert not contradictions(folder.rename(tmp_path / "Llama-2-7b-hf"))


def test_every_place_that_names_a_model(tmp_path: Path) -> None:
    folder = shutil.copytree(BASE, tmp_path / "models--x--Big-3B" / "snapshots" / ("0" * 38 + "7b"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"_name_or_path": "someone/Big-7B"}))
    (folder / "README.md").write_text("---\n# 1B\nlicense: mit\n---\ntext\n## Big 13B\n# Other 70B\n")
    found = {finding.subject: finding.message for finding in contradictions(folder)}
    assert set(found) == {"name", "_name_or_path", "README.md"}
    assert "says 3B" in found["name"]
    assert "says 7B" in found["_name_or_path"]
    assert "says 13B" in found["README.md"]


@pytest.mark.parametrize("content", [b"", b"---\n# 7B", b"\xff\xfe# 7B\n", b"#7B\n", b"#\n"])
def test_cards_that_say_nothing(tmp_path: Path, content: bytes) -> None:
    folder = shutil.copytree(BASE, tmp_path / "model")
    (folder / "README.md").write_bytes(content)
    assert not contradictions(folder)


def test_a_card_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    folder = shutil.copytree(BASE, tmp_path / "model")
    (tmp_path / "secret.md").write_text("# Secret 70B\n")
    (folder / "README.md").symlink_to(tmp_path / "secret.md")
    assert not contradictions(folder)


def test_one_shard_is_not_the_whole(tmp_path: Path) -> None:
    folder = shutil.copytree(BASE, tmp_path / "Big-70B")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    assert not contradictions(folder / "model-00001-of-00002.safetensors")
