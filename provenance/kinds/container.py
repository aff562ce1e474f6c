"""Kind `container`: the tensors lie in another file format. Packaging."""

from __future__ import annotations

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Another file format."""
    a, b = observed.a.origin.format, observed.b.origin.format
    if a == b:
        return None
    return Kind(
        kind="container", parameters={"format_a": a, "format_b": b}, evidence=f"{a} against {b}", packaging=True
    )
