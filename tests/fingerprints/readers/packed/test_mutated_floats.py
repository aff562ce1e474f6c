"""Any change to the bytes of a packed checkpoint gives values or an error that is meant for people, never another."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fingerprints.errors import CheckpointError
from fingerprints.readers import open_checkpoint

PACKED = Path(__file__).parent / "golden" / "bitsandbytes.safetensors"
BYTES = torch.arange(256, dtype=torch.uint8)
OTHERS = {
    "a.weight": BYTES.reshape(8, 32).view(torch.float8_e4m3fn),
    "a.weight_scale_inv": torch.tensor([[1.0, 2.0]], dtype=torch.float64),
    "b.weight": BYTES.reshape(4, 64).clone(),
    "b.weight_scale": torch.ones(4, 8).to(torch.float8_e4m3fn),
    "b.weight_scale_2": torch.ones(1),
    "c_blocks": BYTES.reshape(2, 4, 2, 16).clone(),
    "c_scales": torch.full((2, 4, 2), 127, dtype=torch.uint8),
    "d._weight_qdata": BYTES.reshape(8, 32).view(torch.int8),
    "d._weight_scale": torch.ones(8, 1, dtype=torch.float16),
}


@pytest.mark.parametrize("seed", range(5))
def test_changed_bytes_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    path = tmp_path / "model.safetensors"
    save_file(load_file(PACKED) | {name: values.clone() for name, values in OTHERS.items()}, path)
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    hints: list[str] = []
    decoded = 0
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(draw.choice((1, 4, 64))):
            changed[draw.randrange(8, begin) if draw.random() < 0.3 else draw.randrange(begin, len(data))] = (
                draw.choice((0, 48, 57, 127, 128, 255, draw.randrange(256)))
            )
        path.write_bytes(changed)
        try:
            with open_checkpoint(path) as checkpoint:
                for name, info in checkpoint.tensors.items():
                    try:
                        rows = checkpoint.rows(name, 0, info.shape[0] if info.shape else 1)
                    except CheckpointError as error:
                        hints.append(error.hint)
                    else:
                        assert rows.shape == (info.shape or (1,))
                        decoded += 1
        except CheckpointError as error:
            hints.append(error.hint)
    assert all(hints)
    assert decoded > len(hints) > 0
