"""Tensors of every type in a GGUF file: any rows of them are what the format's own package makes of the whole."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint
from tests import ggufs, kquants

PLAIN = {"F64", "F32", "F16", "BF16", "I8", "I16", "I32", "I64"}
ROWS = 7


def is_decoded(kind: GGMLQuantizationType) -> bool:
    try:
        gguf.dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
    except NotImplementedError:
        return False
    return True


DECODED = [kind for kind in GGMLQuantizationType if kind.name not in PLAIN and is_decoded(kind)]
NOT_DECODED = [kind for kind in GGMLQuantizationType if kind.name not in PLAIN and kind not in DECODED]


def blocks(kind: GGMLQuantizationType, rows: int, per_row: int) -> np.ndarray:
    """Random bytes: every pattern of weights, and scales that are infinite or no numbers, too."""
    generator = np.random.default_rng(int(kind))
    return generator.integers(0, 256, (rows, per_row * GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)


def whole(kind: GGMLQuantizationType, data: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return gguf.dequantize(data, kind)


def opened(folder: Path, kind: GGMLQuantizationType, data: np.ndarray, shape: tuple[int, ...]) -> Checkpoint:
    path = folder / "model.gguf"
    path.write_bytes(ggufs.raw([], [ggufs.entry("w", shape, int(kind))], data.tobytes()))
    return open_checkpoint(path)


def test_the_package_decodes_what_models_are_published_in() -> None:
    assert {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"} <= {
        kind.name for kind in DECODED
    }
    assert {"Q8_1", "Q8_K"} <= {kind.name for kind in NOT_DECODED}


@pytest.mark.parametrize("kind", DECODED, ids=lambda kind: kind.name)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.sets(st.integers(0, ROWS - 1)).map(sorted))
def test_rows_are_rows_of_the_whole(tmp_path: Path, kind: GGMLQuantizationType, wanted: list[int]) -> None:
    elements, nbytes = GGML_QUANT_SIZES[kind]
    data = blocks(kind, ROWS, 3)
    with opened(tmp_path, kind, data, (ROWS, 3 * elements)) as checkpoint:
        info = checkpoint.tensors["w"]
        assert (info.dtype, info.nbytes, info.stored_as) == ("F32", data.size, kind.name)
        assert info.encoding is not None
        assert info.encoding.group_size == elements
        rows = checkpoint.take("w", wanted)
        assert (rows.dtype, rows.flags.c_contiguous) == (np.float32, True)
        np.testing.assert_array_equal(rows, whole(kind, data)[wanted])
        assert checkpoint.bytes_read == len(wanted) * 3 * nbytes


@pytest.mark.parametrize("kind", DECODED, ids=lambda kind: kind.name)
@pytest.mark.parametrize("max_bytes", [4, 100, 5000, 1 << 25])
def test_blocks_are_the_whole_in_order(tmp_path: Path, kind: GGMLQuantizationType, max_bytes: int) -> None:
    data = blocks(kind, ROWS, 2)
    with opened(tmp_path, kind, data, (ROWS, 2 * GGML_QUANT_SIZES[kind][0])) as checkpoint:
        found = list(checkpoint.blocks("w", max_bytes))
        assert all(block.nbytes <= max_bytes and block.ndim == 1 for block in found)
        np.testing.assert_array_equal(np.concatenate(found), whole(kind, data).ravel())
        assert checkpoint.bytes_read == data.size


@pytest.mark.parametrize("scheme", ["Q4_0", "Q6_K"])
def test_stacked_experts_have_three_axes(tmp_path: Path, scheme: str) -> None:
    kind = GGMLQuantizationType[scheme]
    elements = GGML_QUANT_SIZES[kind][0]
    data = blocks(kind, 4 * 6, 2)
    with opened(tmp_path, kind, data, (4, 6, 2 * elements)) as checkpoint:
        expected = whole(kind, data).reshape(4, 6, 2 * elements)
        np.testing.assert_array_equal(checkpoint.take("w", [1, 3]), expected[[1, 3]])
        assert checkpoint.bytes_read == data.size // 2
        np.testing.assert_array_equal(np.concatenate(list(checkpoint.blocks("w", 4096))), expected.ravel())


def test_elements_of_a_vector_are_found_in_their_blocks(tmp_path: Path) -> None:
    kind = GGMLQuantizationType.Q8_0
    data = blocks(kind, 1, 5)
    with opened(tmp_path, kind, data, (160,)) as checkpoint:
        np.testing.assert_array_equal(checkpoint.take("w", [0, 31, 32, 159]), whole(kind, data)[0, [0, 31, 32, 159]])
        assert checkpoint.bytes_read == 3 * 34


@pytest.mark.parametrize("kind", NOT_DECODED, ids=lambda kind: kind.name)
def test_a_type_that_is_not_decoded_is_one_unreadable_tensor(tmp_path: Path, kind: GGMLQuantizationType) -> None:
    elements, nbytes = GGML_QUANT_SIZES[kind]
    at = nbytes + -nbytes % 32
    entries = [ggufs.entry("w", (1, elements), int(kind)), ggufs.entry("v", (2,), 0, at)]
    path = tmp_path / "model.gguf"
    path.write_bytes(ggufs.raw([], entries, bytes(at) + np.float32([1, 2]).tobytes()))
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.tensors["w"].stored_as == kind.name
        for read in (lambda: checkpoint.rows("w", 0, 1), lambda: list(checkpoint.blocks("w"))):
            with pytest.raises(UnreadableTensor, match=f"type {kind.name} are not decoded") as caught:
                read()
            assert caught.value.hint
        assert checkpoint.rows("v", 0, 2).tolist() == [1, 2]


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_plain_types_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    kind = GGMLQuantizationType[name]
    raw = np.arange(6 * GGML_QUANT_SIZES[kind][1], dtype=np.uint8).reshape(3, -1)
    with opened(tmp_path, kind, raw, (3, 2)) as checkpoint:
        info = checkpoint.tensors["w"]
        assert (info.dtype, info.encoding, info.nbytes) == (name, None, raw.size)
        rows = checkpoint.take("w", [0, 2])
        assert rows.shape == (2, 2)
        assert rows.tobytes() == raw[[0, 2]].tobytes()


@pytest.mark.parametrize(
    ("scheme", "error"), [("Q2_K", 0.4), ("Q3_K", 0.2), ("Q4_K", 0.1), ("Q5_K", 0.05), ("Q6_K", 0.03)]
)
def test_the_quantisers_of_the_tests_write_what_the_package_reads(scheme: str, error: float) -> None:
    weight = np.random.default_rng(0).standard_normal((8, 512)).astype(np.float32)
    read = gguf.dequantize(kquants.quantised(weight, scheme), GGMLQuantizationType[scheme])
    assert np.linalg.norm(read - weight) < error * np.linalg.norm(weight)
    assert np.count_nonzero(gguf.dequantize(kquants.quantised(0 * weight, scheme), GGMLQuantizationType[scheme])) == 0
