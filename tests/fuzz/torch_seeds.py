"""Seeds of PyTorch's files: zip archives, files of before 1.6, plain pickles, and tensors of every kind in them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from typing import Final

import torch

WEIGHT: Final = torch.arange(24).reshape(4, 6).float()
STATE: Final = {"a.weight": WEIGHT, "b": torch.arange(3).half()}
Seeds = Iterator[tuple[str, bytes]]


def torch_seeds() -> Seeds:
    """Names and files."""
    training = {"state_dict": {**STATE, "t": WEIGHT.t()}, "module": torch.nn.Linear(2, 2), "epoch": 3}
    yield "zip", _saved(training)
    yield "legacy", _saved(training, legacy=True)
    yield "deflated", _repacked(_saved(STATE))
    yield "big-endian", _repacked(_saved(STATE), {"byteorder": b"big"})
    yield "kinds", _repacked(_saved(_kinds()))
    gaps = torch.zeros(30_000).as_strided((3, 2), (10_000, 7))
    yield "gaps", _repacked(_saved({"w": gaps, "tied": gaps, "one": gaps[0, 0]}))
    yield "several", _repacked(_saved({"model": STATE, "model_ema": STATE, "optimizer": {"state": {0: WEIGHT}}}))
    for protocol in (0, 2, 4):
        yield f"pickle{protocol}", pickle.dumps({"a": [1, 2.5, "x", b"y", None, True, (1 << 70, {})]}, protocol)


def _kinds() -> dict[str, torch.Tensor]:
    """Tensors that are rebuilt by functions of their own."""
    return {
        "parameter": torch.nn.Parameter(WEIGHT),
        "bf16": WEIGHT.bfloat16(),
        "fp8": WEIGHT.to(torch.float8_e4m3fn),
        "uint16": torch.arange(4).to(torch.uint16),
        "quantised": torch.quantize_per_tensor(WEIGHT, 0.5, 2, torch.qint8),
        "sparse": torch.eye(3).to_sparse(),
        "conjugated": torch.ones(2, dtype=torch.complex64).conj(),
        "meta": torch.empty(3, device="meta"),
        "broadcast": torch.ones(1).expand(5, 4),
        "empty": torch.zeros(0, 3),
    }


def _saved(content: object, *, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def _repacked(content: bytes, others: dict[str, bytes] | None = None) -> bytes:
    """The archive with compressed members, some of another content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            data = (others or {}).get(name.rpartition("/")[2], old.read(name))
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
