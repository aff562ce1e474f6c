"""Whatever is done to the bytes of a valid file, there is a checkpoint or one CheckpointError, and nothing else."""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reading import read_everything

WEIGHTS = {"a.weight": torch.arange(24).reshape(4, 6).float(), "b": torch.ones(3).bfloat16(), "n": torch.zeros(0, 2)}


def saved(*, legacy: bool) -> bytes:
    stream = io.BytesIO()
    state = {"state_dict": {**WEIGHTS, "t": WEIGHTS["a.weight"].t()}, "module": torch.nn.Linear(2, 2), "epoch": 3}
    torch.save(state, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def deflated() -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(legacy=False))) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return stream.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "safetensors": (
        "model.safetensors",
        lambda: safetensors.numpy.save({"a": np.ones((4, 6), np.float32), "b": np.zeros(3, np.int8)}, {"format": "pt"}),
    ),
    "zip": ("model.pt", functools.partial(saved, legacy=False)),
    "deflated": ("model.pt", deflated),
    "legacy": ("pytorch_model.bin", functools.partial(saved, legacy=True)),
}
ORIGINALS = {case: make() for case, (_, make) in FILES.items()}


@st.composite
def mutations(draw: st.DrawFn) -> tuple[list[tuple[float, bytes]], float, bytes]:
    place = st.floats(0, 1, exclude_max=True)
    edits = draw(st.lists(st.tuples(place, st.binary(min_size=1, max_size=9)), max_size=6))
    return edits, draw(st.just(1.0) | place), draw(st.just(b"") | st.binary(max_size=40))


@pytest.mark.parametrize("case", FILES)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation=mutations())
def test_a_damaged_file_is_read_or_refused(
    tmp_path: Path, case: str, mutation: tuple[list[tuple[float, bytes]], float, bytes]
) -> None:
    edits, kept, tail = mutation
    content = bytearray(ORIGINALS[case])
    for place, replacement in edits:
        at = int(place * len(content))
        content[at : at + len(replacement)] = replacement
    path = tmp_path / FILES[case][0]
    path.write_bytes(bytes(content[: int(kept * len(content))]) + tail)
    read_everything(path)


@pytest.mark.parametrize("case", FILES)
def test_every_byte_may_be_wrong(tmp_path: Path, case: str) -> None:
    original = ORIGINALS[case]
    path = tmp_path / FILES[case][0]
    step = max(1, len(original) // 400)
    for at in range(0, len(original), step):
        for value in (0x00, 0xFF, original[at] ^ 0x01):
            path.write_bytes(original[:at] + bytes([value]) + original[at + 1 :])
            read_everything(path)
