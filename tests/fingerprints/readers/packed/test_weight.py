"""A packed weight that cannot be read takes the place of its parts, and its error names the file that they are in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint

WORDS = torch.zeros((4, 32), dtype=torch.int32)
BYTES = torch.zeros((8, 16), dtype=torch.uint8)
STATE = "x.weight.quant_state.bitsandbytes__nf4"
CASES = {
    "gptq": {"x.qweight": WORDS, "x.qzeros": WORDS.clone(), "x.scales": torch.ones(3, 32)},
    "mlx": {"x.weight": WORDS.to(torch.uint32), "x.scales": torch.ones(4, 1), "x.biases": torch.ones(4, 2)},
    "fp8": {
        "x.weight": torch.zeros((4, 4)).to(torch.float8_e4m3fn),
        "x.weight_scale": torch.ones(1),
        "x.weight_scale_inv": torch.ones(1),
    },
    "hqq": {"x.W_q": BYTES, "x.nbits": torch.tensor(4), "x.scale": torch.ones(4, 1), "x.zero": torch.ones(4, 2)},
    "mxfp4": {"x.weight_packed": BYTES, "x.weight_scale": torch.zeros((8, 3), dtype=torch.uint8)},
    "nf4": {"x.weight": BYTES, STATE: torch.zeros(4, dtype=torch.uint8)},
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_names_the_file(tmp_path: Path, case: str) -> None:
    save_file({**CASES[case], "ok": torch.ones(2)}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        assert set(checkpoint.tensors) == {"x.weight", "ok"}
        assert checkpoint.tensors["x.weight"].stored_as == case
        for _ in range(2):
            with pytest.raises(UnreadableTensor, match=r"'x\.weight' cannot be read: ") as caught:
                checkpoint.rows("x.weight", 0, 1)
            assert caught.value.path == tmp_path / "model.safetensors"
            assert caught.value.tensor == "x.weight"
        assert checkpoint.rows("ok", 0, 2).tolist() == [1, 1]
