"""Lines of text become files that the safetensors library itself reads."""

from __future__ import annotations

import numpy as np
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.described import described, safetensors_of


def test_every_line_is_a_tensor() -> None:
    found = safetensors.numpy.load(safetensors_of(b"a F32 2,3\nb U8 5 xy\nc I64 \nd F16 0,4"))
    assert {name: values.shape for name, values in found.items()} == {"a": (2, 3), "b": (5,), "c": (), "d": (0, 4)}
    assert found["b"].tobytes() == b"xyxyx"
    assert (found["a"] > 0).all()


def test_arrays_keep_their_values_where_asked() -> None:
    arrays = {"x.order": np.arange(6, dtype=np.int32), "x.codes": np.ones((2, 2), np.float32)}
    found = safetensors.numpy.load(safetensors_of(described(arrays, ("order",))))
    assert found["x.order"].tolist() == [0, 1, 2, 3, 4, 5]
    assert (found["x.codes"].dtype, found["x.codes"].shape) == (np.float32, (2, 2))


def test_lines_that_make_no_tensor_are_skipped() -> None:
    bad = (b"a", b"a F32", b"a F7 2", b"a F32 x", b"a F32 2,,3", b"a F32 99999999", b"a F32 9999,9999", b"a F4 1", b"")
    assert list(safetensors.numpy.load(safetensors_of(b"\n".join([*bad, b"good U8 1", b"good U8 2"])))) == ["good"]


@given(st.binary() | st.text(alphabet="ab FUI3268,0\n-").map(str.encode))
def test_whatever_the_text_is_the_file_is_sound(text: bytes) -> None:
    safetensors.numpy.load(safetensors_of(text))
