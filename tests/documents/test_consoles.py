"""The documents' sessions print what they say they print."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.documents.consoles import DOCUMENTS, MORE, ROOT, agrees, played

TUTORIAL = ROOT / "docs" / "tutorials" / "disguise.md"


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_shows_is_what_comes_out(name: str, tmp_path: Path) -> None:
    shown = 0
    for step, printed in played((ROOT / name).read_text(encoding="utf-8"), tmp_path):
        cut = step.printed.index(MORE) if MORE in step.printed else len(printed)
        written = step.printed[:cut]
        assert len(written) == len(printed[:cut]), (
            f"{step.command}: `python -m tests.documents.consoles` writes it anew"
        )
        for one, other in zip(written, printed, strict=False):
            assert agrees(one, other), f"{step.command}: `python -m tests.documents.consoles` writes it anew"
        shown += len(written)
    assert shown > 5


def test_lines_agree_up_to_the_last_digits() -> None:
    assert agrees("effect 0.993, 4 groups", "effect   0.994, 4 groups")
    assert agrees("read 3 MB of 4 MB in 0.3 s, provenance 0.1.0", "read 3 MB of 4 MB in 9.1 s, provenance 0.2.0")
    assert not agrees("p < 10^-2973", "p < 10^-89")
    assert not agrees("(derived)", "(independent)")


@pytest.mark.slow
def test_the_disguised_copy_of_the_tutorial_computes_what_its_original_does(tmp_path: Path) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    next(played(text.partition("## Look for it")[0], tmp_path))
    original = load_file(tmp_path / "examples/base/model.safetensors")
    copy = load_file(tmp_path / "copy/model.safetensors")
    assert not set(map(digest, original.values())) & set(map(digest, copy.values()))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "examples/base", dtype=torch.float32).eval()
    words = torch.randint(0, 256, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = model(words).logits
        model.load_state_dict({plain_name(name): values.float() for name, values in copy.items()})
        after = model(words).logits
    assert float((before - after).abs().max()) < 1e-4 * float(before.abs().max())


def digest(tensor: torch.Tensor) -> bytes:
    return hashlib.sha256(tensor.view(torch.uint8).numpy().tobytes()).digest()


def plain_name(name: str) -> str:
    """What a tensor of the copy is called in the original."""
    part = ".mlp." if name.split(".")[-2] in ("gate_matrix", "up_matrix", "down_matrix") else ".self_attn."
    return name.replace("trunk.", "model.layers.").replace(".unit.", part).replace("_matrix", "_proj")
