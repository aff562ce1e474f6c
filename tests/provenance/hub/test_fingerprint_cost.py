"""What a fingerprint of a large model costs, counted by the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingerprints.fingerprint import Grade
from provenance.fingerprinting import fingerprint
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.shaped import seven_billion, values


@pytest.mark.parametrize(
    ("grade", "requests", "fetched", "rows"), [(Grade.FULL, 150, 150_000_000, 60), (Grade.SCAN, 60, 30_000_000, 20)]
)
def test_seven_billion_parameters_cost_few_requests(
    serve: Serve, tmp_path: Path, grade: Grade, requests: int, fetched: int, rows: int
) -> None:
    shaped = seven_billion(tmp_path / "shaped")
    # Given, since adding up 13 GB takes longer than a client waits for a listing.
    digests = dict.fromkeys(shaped.glob("*.safetensors"), "0" * 64)
    hub = serve({"big/base": shaped}, faults=[values({"big/base": 1})], digests=digests)
    data, summary = fingerprint("big/base", grade=grade)
    spans = [each.span or (0, 0) for each in hub.asked]
    assert len(hub.asked) == summary.requests <= requests
    assert sum(stop - start for start, stop in spans) <= summary.bytes_fetched <= fetched
    assert not hub.overlapping()
    assert 200_000 < len(data) <= 1_500_000
    assert summary.rows > rows
