"""Writes the seeds of the corpus, one small valid file or two of every kind: `python tests/fuzz/make_seeds.py`.

Some writers put times or random numbers into files, so seeds are kept rather than made where they are needed.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import msgpack
import numpy as np
import safetensors.numpy
import torch.distributed.checkpoint as dcp
from gguf import GGMLQuantizationType

sys.path.insert(0, str(Path(__file__).parents[2]))
from fingerprints.readers.gguf_blocks import block_types
from tests import ggufs
from tests.fuzz.bad_seeds import bad_seeds
from tests.fuzz.described_seeds import DESCRIBED
from tests.fuzz.onnx_seeds import onnx_seeds
from tests.fuzz.reading import CORPUS, CUT
from tests.fuzz.torch_seeds import STATE, torch_seeds

NUMBERS = np.random.default_rng(0).standard_normal((4, 64), dtype=np.float32)
WEIGHTS = {"a.weight": NUMBERS[:, :6].copy(), "b": np.arange(3, dtype=np.float16)}
Seeds = Iterator[tuple[str, bytes]]


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _file(write: Callable[[Path], object], suffix: str = "") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"made{suffix}")
        write(path)
        return path.read_bytes()


def _safetensors() -> Seeds:
    yield "plain", safetensors.numpy.save(WEIGHTS, {"format": "pt"})
    yield "empty", safetensors.numpy.save({"none": np.zeros((0, 3), np.int8), "one": np.ones((), np.float64)})


def _gguf() -> Seeds:
    for scheme in ("F32", "Q8_0", "Q4_0", "Q4_K"):
        weight = np.resize(NUMBERS, (2, 256))
        keys = {"block_count": 1, "rope.dimension_count": 8, "attention.head_count": 2, "name": "x"}
        tensors = {"blk.0.attn_q.weight": (weight, scheme), "output_norm.weight": (weight[0], "F32")}
        yield scheme.lower(), _file(lambda path, t=tensors, k=keys: ggufs.write(path, "llama", t, k))
    for scheme in ("Q5_0", "Q2_K", "Q6_K", "IQ4_XS", "IQ2_XXS", "TQ1_0", "MXFP4"):
        kind = block_types()[GGMLQuantizationType[scheme]]
        entry = ggufs.entry("w", (2, 256), kind.type_id)
        yield scheme.lower(), ggufs.raw([], [entry], bytes(range(kind.nbytes)) * (512 // kind.elements))
    names = ggufs.pair("a", ggufs.ARRAY, ggufs.array(ggufs.STRING, 40, ggufs.text("x") * 40))
    numbers = ggufs.pair("b", ggufs.ARRAY, ggufs.array(ggufs.U8, 1040, bytes(1040)))
    yield "long-lists", ggufs.raw([names, numbers], [ggufs.entry()], bytes(8))
    lists = ggufs.pair("a", ggufs.ARRAY, ggufs.array(ggufs.STRING, 2, ggufs.text("x") + ggufs.text("yy")))
    yield "lists", ggufs.raw([lists, ggufs.number("n", 3)], [ggufs.entry()], bytes(8))


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["layers/dense/vars/0"] = NUMBERS[:, :6]
        file.create_dataset("packed", data=NUMBERS[:, :8], chunks=(2, 8), compression="gzip")
        file.attrs["layer_names"] = ["dense"]


def _keras() -> Seeds:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr(zipfile.ZipInfo("metadata.json"), "{}")
        target.writestr(zipfile.ZipInfo("model.weights.h5"), _file(_hdf5))
    yield "plain", stream.getvalue()


def _flax() -> Seeds:
    def array(values: np.ndarray) -> msgpack.ExtType:
        return msgpack.ExtType(1, msgpack.packb((values.shape, values.dtype.name, values.tobytes())))

    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 4, "1": 6}}
    pieces = {str(at): array(WEIGHTS["a.weight"].reshape(-1)[12 * at : 12 * at + 12].copy()) for at in range(2)}
    params = {"dense": {"kernel": array(WEIGHTS["a.weight"]), "bias": array(WEIGHTS["b"])}}
    yield "plain", msgpack.packb({"params": params, "step": 7, "rate": 0.5})
    yield "chunked", msgpack.packb({"params": {"w": {**chunked, "chunks": pieces}}})


def _sharded() -> Seeds:
    shards = [safetensors.numpy.save({name: values}) for name, values in WEIGHTS.items()]
    index = {"metadata": {"total_size": 102}, "weight_map": {"a.weight": "a.safetensors", "b": "b.safetensors"}}
    yield "plain", CUT.join([_json(index), *shards])


def _distributed() -> Seeds:
    with tempfile.TemporaryDirectory() as folder:
        dcp.save({"model": STATE, "step": 7}, checkpoint_id=Path(folder, "made"), no_dist=True)
        yield "plain", CUT.join(Path(folder, "made", name).read_bytes() for name in (".metadata", "__0_0.distcp"))


def _split() -> Seeds:
    parts = []
    for at, name in enumerate(("blk.0.attn_q.weight", "blk.0.attn_k.weight")):
        keys = [ggufs.number("split.no", at), ggufs.number("split.count", 2), ggufs.number("split.tensors.count", 2)]
        if not at:
            model = ggufs.pair("general.architecture", ggufs.STRING, ggufs.text("llama"))
            keys += [model, ggufs.number("llama.attention.head_count", 2)]
        parts.append(ggufs.raw(keys, [ggufs.entry(name, (8, 4))], NUMBERS[0, :32].tobytes()))
    yield "plain", CUT.join(parts)


MAKERS: dict[str, Callable[[], Seeds]] = {
    "safetensors": _safetensors,
    "torch": torch_seeds,
    "gguf": _gguf,
    "onnx": onnx_seeds,
    "hdf5": lambda: iter([("plain", _file(_hdf5))]),
    "keras": _keras,
    "flax": _flax,
    "sharded": _sharded,
    "distributed": _distributed,
    "split": _split,
    **DESCRIBED,
}


def main() -> None:
    """Write all seeds."""
    for reader, make in MAKERS.items():
        folder = CORPUS / reader
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in make():
            (folder / (name if name.startswith("bad-") else f"seed-{name}")).write_bytes(content)
        for name, content in bad_seeds(reader):
            (folder / f"bad-{name}").write_bytes(content)


if __name__ == "__main__":
    main()
