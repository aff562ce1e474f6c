"""What a fingerprint of a large model costs, counted by the server."""

from __future__ import annotations

from pathlib import Path

from provenance.fingerprinting import fingerprint
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.shaped import seven_billion, values


def test_seven_billion_parameters_cost_few_requests(serve: Serve, tmp_path: Path) -> None:
    hub = serve({"big/base": seven_billion(tmp_path / "shaped")}, faults=[values({"big/base": 1})])
    data, summary = fingerprint("big/base")
    spans = [each.span or (0, 0) for each in hub.asked]
    assert len(hub.asked) <= 150
    assert sum(stop - start for start, stop in spans) <= 150_000_000
    assert not hub.overlapping()
    assert 400_000 < len(data) <= 1_500_000
    assert summary.rows > 60
