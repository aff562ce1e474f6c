"""Writes the seeds of the corpus, one small valid file or two of every kind: `python tests/fuzz/make_seeds.py`.

Some writers put times or random numbers into files, so seeds are kept rather than made where they are needed.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import msgpack
import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests import ggufs, onnx_files, packing
from tests.fuzz.reading import CORPUS, CUT

NUMBERS = np.random.default_rng(0).standard_normal((4, 64), dtype=np.float32)
WEIGHTS = {"a.weight": NUMBERS[:, :6].copy(), "b": np.arange(3, dtype=np.float16)}
TORCH = {name: torch.from_numpy(values.copy()) for name, values in WEIGHTS.items()}
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


def _torch(content: object, *, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def _repacked(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _pytorch() -> Seeds:
    state = {"state_dict": {**TORCH, "t": TORCH["a.weight"].t()}, "module": torch.nn.Linear(2, 2), "epoch": 3}
    yield "zip", _torch(state)
    yield "deflated", _repacked(_torch(TORCH))
    yield "legacy", _torch(state, legacy=True)
    for protocol in (0, 2, 4):
        yield f"pickle{protocol}", pickle.dumps({"a": [1, 2.5, "x", b"y", None, True, (1 << 70, {})]}, protocol)


def _gguf() -> Seeds:
    for scheme in ("F32", "Q8_0", "Q4_0", "Q4_K"):
        weight = np.resize(NUMBERS, (2, 256))
        keys = {"block_count": 1, "rope.dimension_count": 8, "attention.head_count": 2, "name": "x"}
        tensors = {"blk.0.attn_q.weight": (weight, scheme), "output_norm.weight": (weight[0], "F32")}
        yield scheme.lower(), _file(lambda path, t=tensors, k=keys: ggufs.write(path, "llama", t, k))
    lists = ggufs.pair("a", ggufs.ARRAY, ggufs.array(ggufs.STRING, 2, ggufs.text("x") + ggufs.text("yy")))
    yield "lists", ggufs.raw([lists, ggufs.number("n", 3)], [ggufs.entry()], bytes(8))


def _onnx() -> Seeds:
    make = onnx_files
    yield "raw", make.model(make.graph([], [make.tensor("w", NUMBERS[:, :6].copy())]), {"task": "test"})
    floats = make.raw_tensor("f", (2, 3), 1, make.message(4, NUMBERS[0, :6].tobytes()))
    small = make.raw_tensor("s", (2, 3), 3, make.message(5, b"".join(map(make.varint, range(6)))))
    outside = make.external("e", (2, 3), 1, location="model.onnx", offset="0", length="24")
    multiply = make.node("MatMul", ["x", "f"], ["y"], name="/layer/MatMul")
    made = make.constant("c", make.tensor("c", NUMBERS[:2, :3].copy()))
    yield "typed", make.model(make.graph([multiply, made], [floats, small, outside]))
    codes = make.tensor("w_q", np.arange(12, dtype=np.uint8).reshape(3, 4))
    steps, zero = make.tensor("w_s", np.float32(0.5)), make.tensor("w_z", np.uint8(3))
    lifted = make.node("DequantizeLinear", ["w_q", "w_s", "w_z"], ["w"], name="q")
    product = make.node("Gemm", ["x", "w"], ["y"], make.attribute("transB", 1), name="/layer/Gemm")
    yield "quantised", make.model(make.graph([lifted, product], [codes, steps, zero]))


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


def _packed() -> Seeds:
    group = packing.in_order(64, 32)
    weight = np.resize(NUMBERS, (32, 64))
    schemes: dict[str, tuple[Mapping[str, np.ndarray], dict[str, Any]]] = {
        "gptq": (packing.gptq(weight, 4, group)[0], {"quant_method": "gptq", "bits": 4, "group_size": 32}),
        "awq": (packing.awq(weight, group)[0], {"quant_method": "awq", "bits": 4, "group_size": 32}),
        "compressed": (
            packing.pack_quantized(weight, 4, group)[0],
            {"quant_method": "compressed-tensors", "format": "pack-quantized"},
        ),
        "mlx": (packing.mlx(weight, 4, group)[0], {"bits": 4, "group_size": 32}),
        "hqq": (packing.hqq(weight, 4, 32, 1)[0], {"quant_method": "hqq"}),
    }
    for name, (found, claims) in schemes.items():
        config = {"quantization": claims} if name == "mlx" else {"quantization_config": claims}
        tensors = packing.named(found, "model.layers.0.mlp.up_proj.")
        yield name, safetensors.numpy.save(tensors) + CUT + _json(config)
    fp8 = {"w.weight": torch.zeros(4, 8).to(torch.float8_e4m3fn), "w.weight_scale_inv": torch.ones(1, 1)}
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
    yield "fp8", safetensors.torch.save(fp8) + CUT + _json(config)


def _adapter() -> Seeds:
    at = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    tensors = {f"{at}A.weight": NUMBERS[:2, :8].copy(), f"{at}B.weight": NUMBERS[:4, :2].copy()}
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "rank_pattern": {}}
    yield "lora", safetensors.numpy.save(tensors) + CUT + _json(config)


def _sharded() -> Seeds:
    shards = [safetensors.numpy.save({name: values}) for name, values in WEIGHTS.items()]
    index = {"metadata": {"total_size": 102}, "weight_map": {"a.weight": "a.safetensors", "b": "b.safetensors"}}
    yield "plain", CUT.join([_json(index), *shards])


def _distributed() -> Seeds:
    with tempfile.TemporaryDirectory() as folder:
        dcp.save({"model": TORCH, "step": 7}, checkpoint_id=Path(folder, "made"), no_dist=True)
        yield "plain", CUT.join(Path(folder, "made", name).read_bytes() for name in (".metadata", "__0_0.distcp"))


def _slices() -> Seeds:
    tensors = {"layers.0.attention.wq.weight": NUMBERS[:, :8].copy(), "norm.weight": NUMBERS[0, :8].copy()}
    one = safetensors.numpy.save(tensors)
    yield "plain", CUT.join([one, one, _json({"dim": 8, "n_heads": 2, "n_layers": 1})])


MAKERS: dict[str, Callable[[], Seeds]] = {
    "safetensors": _safetensors,
    "torch": _pytorch,
    "gguf": _gguf,
    "onnx": _onnx,
    "hdf5": lambda: iter([("plain", _file(_hdf5))]),
    "keras": _keras,
    "flax": _flax,
    "packed": _packed,
    "adapter": _adapter,
    "sharded": _sharded,
    "distributed": _distributed,
    "slices": _slices,
}


def main() -> None:
    """Write all seeds."""
    for reader, make in MAKERS.items():
        folder = CORPUS / reader
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in make():
            (folder / f"seed-{name}").write_bytes(content)


if __name__ == "__main__":
    main()
