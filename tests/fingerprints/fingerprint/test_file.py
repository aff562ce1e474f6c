from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fingerprints.checkpoint import Origin, TensorInfo
from fingerprints.errors import CheckpointError, UnreadableTensor, UnsupportedFormat
from fingerprints.fingerprint import FingerprintCheckpoint, encode, open_model, take_fingerprint
from fingerprints.fingerprint.file import KEY
from tests.checkpoints import LLAMA_2_7B, LLAMA_2_70B, Shapes, llama_shapes

EXAMPLES = Path(__file__).parents[3] / "examples"
GOLDEN = Path(__file__).parent / "golden"


class Imagined:
    """A checkpoint of true shapes whose values are noise, made as they are asked for."""

    def __init__(self, shapes: Shapes) -> None:
        self.tensors: Mapping[str, TensorInfo] = {
            name: TensorInfo(name=name, shape=shape, dtype="F32", shard="", nbytes=4 * int(np.prod(shape)))
            for name, shape in shapes.items()
        }
        self.origin = Origin(reference="imagined", path=Path("imagined"), format="none", shards=())
        self.bytes_total = self.bytes_read = 0

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        return self.take(name, np.arange(start, stop))

    def take(self, name: str, indices: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(len(name))
        shape = (len(indices), *self.tensors[name].shape[1:])
        self.bytes_read += 2 * int(np.prod(shape))
        return rng.standard_normal(shape, dtype=np.float32)

    def blocks(self, name: str, max_bytes: int = 0) -> Iterator[np.ndarray]:
        raise AssertionError("nothing here reads everything")

    def close(self) -> None: ...

    def __enter__(self) -> Imagined:
        return self

    def __exit__(self, *_: object) -> None: ...


def example(tmp_path: Path, name: str = "base") -> Path:
    with open_model(EXAMPLES / name) as checkpoint:
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(encode(take_fingerprint(checkpoint, whole=True, claims={"licence": "mit"})))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "limit", "read"), [(LLAMA_2_7B, 1_500_000, 150e6), (LLAMA_2_70B, 4_000_000, 400e6)])
def test_large_models_have_small_fingerprints(sizes: dict[str, int], limit: int, read: float) -> None:
    checkpoint = Imagined(llama_shapes(**sizes))
    data = encode(take_fingerprint(checkpoint, whole=False))  # type: ignore[arg-type]
    assert 400_000 < len(data) <= limit
    assert checkpoint.bytes_read <= read


def test_what_is_written_is_read_back_and_the_same_bytes_come_out_again(tmp_path: Path) -> None:
    path = example(tmp_path)
    with open_model(path) as opened:
        assert isinstance(opened, FingerprintCheckpoint)
        fingerprint = opened.fingerprint
        assert encode(fingerprint) == path.read_bytes()
        with open_model(EXAMPLES / "base") as checkpoint:
            again = take_fingerprint(checkpoint, whole=True, claims={"licence": "other"})
            assert {n: (i.shape, i.dtype) for n, i in opened.tensors.items()} == {
                n: (i.shape, i.dtype) for n, i in checkpoint.tensors.items()
            }
        assert again.content == fingerprint.content
        with pytest.raises(UnreadableTensor, match="is a fingerprint"):
            opened.rows(next(iter(opened.tensors)), 0, 1)


def test_content_depends_on_weights_and_not_on_files(tmp_path: Path) -> None:
    tensors = load_file(EXAMPLES / "base" / "model.safetensors")
    names = list(tensors)
    save_file({name: tensors[name] for name in names[: len(names) // 2]}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({name: tensors[name] for name in names[len(names) // 2 :]}, tmp_path / "model-00002-of-00002.safetensors")
    contents = []
    for path in (EXAMPLES / "base", tmp_path, EXAMPLES / "tuned"):
        with open_model(path) as checkpoint:
            contents.append(take_fingerprint(checkpoint, whole=True).content)
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.safetensors")), ids=lambda path: path.stem)
def test_files_of_every_released_version_are_read(path: Path) -> None:
    truth = json.loads(path.with_suffix(".json").read_text())
    with open_model(path) as opened:
        assert isinstance(opened, FingerprintCheckpoint)
        found = opened.fingerprint
        assert found.content == truth["content"]
        assert len(found.axes) == truth["axes"]
        assert found.claims["model_type"] == truth["model_type"]


def test_there_is_a_golden_file() -> None:
    assert list(GOLDEN.glob("v1*.safetensors"))


def test_more_arrays_and_keys_do_no_harm_and_newer_versions_are_refused(tmp_path: Path) -> None:
    path = example(tmp_path)
    arrays = load_file(path)
    header = json.loads(zlib.decompress(arrays["header"].tobytes()))
    header["something new"] = [1, 2]
    arrays["header"] = np.frombuffer(zlib.compress(json.dumps(header).encode()), dtype=np.uint8)
    newer = {**arrays, "something": np.zeros(3, dtype=np.float32)}
    save_file(newer, tmp_path / "newer.safetensors", metadata={KEY: "1"})
    with open_model(path) as one, open_model(tmp_path / "newer.safetensors") as other:
        assert isinstance(one, FingerprintCheckpoint)
        assert isinstance(other, FingerprintCheckpoint)
        assert one.fingerprint.content == other.fingerprint.content
    save_file(arrays, tmp_path / "later.safetensors", metadata={KEY: "2"})
    with pytest.raises(UnsupportedFormat, match="version '2'"):
        open_model(tmp_path / "later.safetensors")


def broken_headers(header: dict) -> Iterator[tuple[str, dict]]:
    def changed(**values: object) -> dict:
        return json.loads(json.dumps({**header, **values}))

    yield "no tensors", {key: value for key, value in header.items() if key != "tensors"}
    yield "a huge shape", changed(tensors=[["a", "F32", [1 << 40, 1 << 40], 4]])
    yield "a negative length", changed(tensors=[["a", "F32", [-1], 4]])
    axes = header["axes"]
    yield "units without end", changed(axes=[[*axes[0][:2], [[0, 1 << 50]], *axes[0][3:]]])
    yield "units backwards", changed(axes=[[*axes[0][:2], [[9, 3]], *axes[0][3:]]])
    yield "another tensor", changed(axes=[[10_000, *axes[0][1:]]])
    yield "a third axis", changed(axes=[[axes[0][0], 2, *axes[0][2:]]])
    yield "more values than there are", changed(axes=[*axes, *axes])
    yield "an order that is none", changed(axes=[[*axes[0][:4], "sideways", *axes[0][5:]]])
    yield "digests beyond the end", changed(seen=[[0, 1, 1 << 40, 0, "", False, False]])
    yield "a copy of nothing", changed(copies={"nothing": "x"})
    yield "text for a flag", changed(seen=[[0, 1, 8, 0, "", "no", False]])


def test_every_broken_header_is_an_error_that_says_so(tmp_path: Path) -> None:
    arrays = load_file(example(tmp_path))
    header = json.loads(zlib.decompress(arrays["header"].tobytes()))
    for name, broken in broken_headers(header):
        packed = np.frombuffer(zlib.compress(json.dumps(broken).encode()), dtype=np.uint8)
        path = tmp_path / "broken.safetensors"
        save_file({**arrays, "header": packed}, path, metadata={KEY: "1"})
        with pytest.raises(CheckpointError) as caught:
            open_model(path)
        assert caught.value.hint, name


def test_bytes_that_flip_anywhere_are_an_error_or_another_fingerprint(tmp_path: Path) -> None:
    data = example(tmp_path).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.safetensors"
    for place in rng.integers(0, len(data), 120):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            open_model(path).close()
        except CheckpointError:
            continue
