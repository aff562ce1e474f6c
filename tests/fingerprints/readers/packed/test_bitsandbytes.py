"""Weights packed by bitsandbytes 0.50.2 decode to what the library decodes them to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file

from fingerprints.checkpoint import Encoding
from fingerprints.readers import open_checkpoint
from provenance.comparison import compare
from provenance.result import Relation
from tests.checkpoints import llama_shapes
from tests.fingerprints.readers.packed.packing import eight_bit, four_bit, golden

GOLDEN = Path(__file__).parent / "golden"
PACKED = GOLDEN / "bitsandbytes.safetensors"
SCHEMES = {
    "nested.weight": Encoding(scheme="nf4", bits=4, group_size=64),
    "plain.weight": Encoding(scheme="nf4", bits=4, group_size=64),
    "halves.weight": Encoding(scheme="fp4", bits=4, group_size=64),
    "integers.weight": Encoding(scheme="int8", bits=8),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_golden_weights_decode_to_what_the_library_says(name: str) -> None:
    expected = load_file(GOLDEN / "bitsandbytes-decoded.safetensors")[name]
    with open_checkpoint(PACKED) as checkpoint:
        info = checkpoint.tensors[name]
        assert (info.shape, info.dtype, info.encoding) == (expected.shape, "F32", SCHEMES[name])
        np.testing.assert_allclose(checkpoint.rows(name, 0, info.shape[0]), expected, rtol=1e-6, atol=0)
        some = [0, 2, info.shape[0] - 1]
        np.testing.assert_allclose(checkpoint.take(name, some), expected[some], rtol=1e-6, atol=0)
        blocks = list(checkpoint.blocks(name, max_bytes=200))
        assert max(block.nbytes for block in blocks) <= 200
        np.testing.assert_allclose(np.concatenate(blocks), expected.ravel(), rtol=1e-6, atol=0)
        assert checkpoint.take(name, []).shape == (0, *info.shape[1:])


def test_the_parts_give_way_to_the_weights() -> None:
    with open_checkpoint(PACKED) as checkpoint:
        assert set(checkpoint.tensors) == set(SCHEMES)
        assert checkpoint.bytes_total == sum(array.nbytes for array in _raw().values())
        assert [finding.message for finding in checkpoint.origin.findings] == [
            "stored as bitsandbytes, decoded as it is read"
        ]


def test_pickled_weights_decode_alike(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(_raw(), path)
    with open_checkpoint(path) as pickled, open_checkpoint(PACKED) as plain:
        for name in SCHEMES:
            count = plain.tensors[name].shape[0]
            np.testing.assert_array_equal(pickled.rows(name, 0, count), plain.rows(name, 0, count))


def test_a_row_costs_a_row(tmp_path: Path) -> None:
    rows, width = 400, 4096
    state = f'{{"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [{rows}, {width}]}}'.encode()
    save_file(
        {
            "x.weight": torch.zeros((rows * width // 2, 1), dtype=torch.uint8),
            "x.weight.absmax": torch.ones(rows * width // 64),
            "x.weight.quant_map": torch.arange(16.0),
            "x.weight.quant_state.bitsandbytes__nf4": torch.tensor(list(state), dtype=torch.uint8),
        },
        tmp_path / "model.safetensors",
    )
    with open_checkpoint(tmp_path) as checkpoint:
        checkpoint.take("x.weight", [7, 300])
        assert checkpoint.bytes_read == 2 * (width // 2 + width // 64 * 4) + 16 * 4


class TestWithTheLibrary:
    """Fresh weights, packed and decoded by the library, where it is installed."""

    @pytest.fixture
    def library(self) -> Any:
        return pytest.importorskip("bitsandbytes.functional", reason="the reference library is not installed")

    def test_the_golden_files_are_what_it_writes(self, library: Any) -> None:
        stored, decoded = golden(library)
        for name, expected in stored.items():
            assert torch.equal(_raw()[name].view(torch.uint8), expected.view(torch.uint8)), name
        kept = load_file(GOLDEN / "bitsandbytes-decoded.safetensors")
        for name, values in decoded.items():
            np.testing.assert_array_equal(kept[name], values.numpy())

    @pytest.mark.parametrize("shape", [(130, 130), (64, 640), (7, 1), (3, 5, 7), (17,)], ids=str)
    @pytest.mark.parametrize("nested", [False, True])
    @pytest.mark.parametrize("kind", ["nf4", "fp4"])
    def test_every_shape_decodes(
        self, library: Any, tmp_path: Path, kind: str, nested: bool, shape: tuple[int, ...]
    ) -> None:
        weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        stored, expected = four_bit(
            library, "x.weight", weight, quant_type=kind, compress_statistics=nested, blocksize=64
        )
        save_file(stored, tmp_path / "model.safetensors")
        with open_checkpoint(tmp_path) as checkpoint:
            np.testing.assert_allclose(checkpoint.rows("x.weight", 0, shape[0]), expected.numpy(), rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(
                checkpoint.take("x.weight", [1, shape[0] - 1]), expected.numpy()[[1, -1]], rtol=1e-6, atol=1e-9
            )

    @pytest.mark.parametrize("scheme", ["nf4", "fp4", "int8"])
    def test_the_verdict_is_that_of_the_original(self, library: Any, tmp_path: Path, scheme: str) -> None:
        for seed, folder in enumerate(("origin", "stranger")):
            (tmp_path / folder).mkdir()
            save_file(_llama(seed), tmp_path / folder / "model.safetensors")
        packed: dict[str, torch.Tensor] = {}
        for name, weight in _llama(0).items():
            if not name.endswith("proj.weight"):
                packed[name] = weight
            elif scheme == "int8":
                packed |= eight_bit(library, name.removesuffix(".weight"), weight)[0]
            else:
                packed |= four_bit(library, name, weight, quant_type=scheme, compress_statistics=True)[0]
        (tmp_path / "packed").mkdir()
        save_file(packed, tmp_path / "packed" / "model.safetensors")
        related = compare(tmp_path / "origin", tmp_path / "packed").verdict
        assert related.relation is Relation.DERIVED
        assert [kind.parameters["scheme"] for kind in related.kinds if kind.kind == "quantised"] == [scheme]
        assert compare(tmp_path / "stranger", tmp_path / "packed").verdict.relation is Relation.INDEPENDENT


def _raw() -> dict[str, torch.Tensor]:
    return load_tensors(PACKED)


def _llama(seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shapes = llama_shapes(layers=2, hidden=96, mlp=224, heads=4, kv_heads=2, vocabulary=256)
    return {
        name: torch.randn(shape, generator=draw) * 0.05 + (1 if "norm" in name else 0) for name, shape in shapes.items()
    }
