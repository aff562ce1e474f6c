"""The ONNX format: a graph of operators, and the weights that they are applied to.

Format: https://onnx.ai/onnx/repo-docs/IR.html
"""

from __future__ import annotations

from typing import Final

from fingerprints.checkpoint import Finding
from fingerprints.errors import NotACheckpoint
from fingerprints.readers.onnx_model import parse_model
from fingerprints.readers.onnx_weights import Weights
from fingerprints.readers.onnx_wire import Wire
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.source import SourceFile

_AFTER_PRODUCER: Final = (b"\x1a", b"\x22", b"\x28", b"\x32", b"\x3a", b"\x42", b"\x72")
"""Tags of the fields of a model that may follow its producer."""


class OnnxReader:
    """Reads `*.onnx`, with the external data beside it."""

    format = "onnx"
    suffixes = (".onnx",)
    by_suffix = True
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file begins with a version of the format and the name of a producer, as exporters write it."""
        if len(head) < 5 or head[0] != 0x08 or not 1 <= head[1] <= 0x7F or head[2] != 0x12 or head[3] > 0x7F:
            return False
        producer, rest = head[4 : 4 + head[3]], head[4 + head[3] :]
        return producer.isascii() and producer.decode("ascii").isprintable() and rest[:1] in _AFTER_PRODUCER

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """Parse the graph; the data of tensors is not read."""
        model = parse_model(Wire(source))
        weights = Weights(model, source, shard)
        if not weights.tensors:
            raise NotACheckpoint(
                f"{quoted(str(source.path))} is an ONNX model with 0 tensors in {len(model.graphs)} graphs",
                path=source.path,
                hint="give the model that holds the weights",
            )
        findings = list(weights.findings)
        if model.sparse:
            findings.append(
                Finding(code="sparse-tensors", subject=shard, message=f"{model.sparse} sparse tensors were left out")
            )
        return FileContents(
            format=self.format,
            containers={"": weights.tensors},
            metadata=model.metadata,
            findings=tuple(findings),
            sources=weights.sources,
        )
