"""What the tests of single formats know to be wrong, as seeds: `corpus/READER/bad-…`, written by `make_seeds.py`."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from tests import ggufs, onnx_files
from tests.fingerprints.readers import test_hostile_gguf, test_hostile_onnx, test_hostile_pickles
from tests.fingerprints.readers import test_hostile_safetensors as hostile_safetensors

LARGEST = 4096
Seeds = Iterator[tuple[str, bytes]]


def _gguf() -> Seeds:
    yield from _first(test_hostile_gguf.CASES)
    good = ggufs.entry("good")
    for case, (entry, _) in test_hostile_gguf.BAD.items():
        yield case, ggufs.raw([], [entry, good], test_hostile_gguf.DATA)
    yield "every field", test_hostile_gguf.GOOD


def _safetensors() -> Seeds:
    return _first(hostile_safetensors.CASES)


def _torch() -> Seeds:
    for case, (pickled, _) in test_hostile_pickles.BROKEN.items():
        yield case, _zipped(pickled)
    for case, (function, arguments, _) in test_hostile_pickles.CODE.items():
        yield f"calls {case}", _zipped(pickle.dumps(test_hostile_pickles.Runs(function, *arguments)))


def _zipped(pickled: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), pickled)
    return stream.getvalue()


def _onnx() -> Seeds:
    make = onnx_files
    yield from _first(test_hostile_onnx.BROKEN)
    for case, (tensor, _) in test_hostile_onnx.FAULTY.items():
        nodes = [make.node("MatMul", ["x", "bad"], ["y"]), make.node("LSTM", ["x", "bad", "bad", "bad"], ["z"])]
        yield case, make.model(make.graph(nodes, [tensor])).replace(b"w.bin", b"m.onnx")
    codes = make.tensor("bad_q", np.arange(60, dtype=np.uint8).reshape(6, 10))
    for case, (nodes, tensors) in test_hostile_onnx.QUANTISED.items():
        yield case, make.model(make.graph(nodes, [codes, *tensors]))


_MAKERS: dict[str, Callable[[], Seeds]] = {
    "gguf": _gguf,
    "onnx": _onnx,
    "safetensors": _safetensors,
    "torch": _torch,
}


def bad_seeds(reader: str) -> Seeds:
    """The small ones of a reader, by names that may be those of files."""
    for case, content in _MAKERS[reader]() if reader in _MAKERS else ():
        if content and len(content) <= LARGEST:
            yield re.sub(r"[^a-z0-9]+", "-", case.lower()).strip("-"), content


def _first(cases: Mapping[str, tuple[object, ...]]) -> Seeds:
    for case, (content, *_) in cases.items():
        if isinstance(content, bytes):
            yield case, content
