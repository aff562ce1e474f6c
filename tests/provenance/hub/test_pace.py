"""How fast a Hub is asked, and whether it is left alone when it says so: by the times at which requests reach it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fingerprints.errors import OverBudget, Unavailable
from fingerprints.readers.source import SourceFile
from provenance.hub import Hub
from provenance.hub.patience import Patience
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.server import COMMIT, Asked, Handler

SAID = json.dumps({"id": "acme/base", "sha": COMMIT})


def test_no_more_requests_than_so_many_a_minute(serve: Serve, tmp_path: Path) -> None:
    hub = serve({"acme/base": tmp_path})
    with Hub(per_minute=600) as ours, ThreadPoolExecutor(4) as pool:
        begun = time.monotonic()
        assert set(pool.map(lambda _: ours.commit("acme/base"), range(12))) == {COMMIT}
    times = sorted(each.at - begun for each in hub.asked)
    assert len(times) == 12
    # A busy machine makes them later, and nothing may make them earlier.
    assert all(at >= 0.1 * number - 0.01 for number, at in enumerate(times, 1))


def test_a_hub_whose_last_request_this_was_is_left_alone_by_all(serve: Serve, tmp_path: Path) -> None:
    hub = serve({"acme/base": tmp_path})

    def last(handler: Handler, path: Path, asked: Asked) -> bool:
        first = len(hub.asked) == 1
        handler.answer(200, SAID.encode(), RateLimit='"api";r=0;t=1' if first else '"api";r=99;t=1')
        return True

    hub.api_faults.append(last)
    with Hub() as one, Hub() as other:
        assert one.commit("acme/base") == other.commit("acme/base") == COMMIT
    first, second = hub.asked
    assert second.at - first.at >= 0.95


def test_files_can_be_had_while_the_rest_is_closed(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text("{}")
    hub = serve({"acme/base": tmp_path / "a"})

    def last(handler: Handler, path: Path, asked: Asked) -> bool:
        if "/tree/" in asked.path:
            body = [{"type": "file", "path": "config.json", "size": 2, "oid": "0" * 40}]
            handler.answer(200, json.dumps(body).encode(), RateLimit='"api";r=0;t=250')
        else:
            handler.answer(200, SAID.encode())
        return True

    hub.api_faults.append(last)
    with Hub() as ours:
        place = Path(ours.locate("acme/base"))
        source = SourceFile(place / "config.json")
        assert bytes(source.read(0, 2)) == b"{}"
        source.close()
        with pytest.raises(Unavailable, match="asks to wait"):
            ours.commit("acme/base")


def test_a_hub_that_wants_more_patience_than_there_is_gets_no_request(serve: Serve, tmp_path: Path) -> None:
    hub = serve({"acme/base": tmp_path})

    def last(handler: Handler, path: Path, asked: Asked) -> bool:
        handler.answer(200, SAID.encode(), RateLimit='"api";r=0;t=250')
        return True

    hub.api_faults.append(last)
    with Hub(patience=Patience(longest_wait=200.0)) as ours:
        assert ours.commit("acme/base") == COMMIT
        with pytest.raises(Unavailable, match="asks to wait 250 seconds") as caught:
            ours.commit("acme/base")
    assert caught.value.cause == "rate-limited"
    assert len(hub.asked) == 1


def test_requests_end_where_their_number_does(serve: Serve, tmp_path: Path) -> None:
    hub = serve({"acme/base": tmp_path})
    with Hub(requests=3) as ours:
        for _ in range(3):
            ours.commit("acme/base")
        with pytest.raises(Unavailable, match="3 of 3 are made") as refused:
            ours.commit("acme/base")
    # Whoever looks at less where a budget is small must not take this for its own.
    assert (refused.value.cause, isinstance(refused.value, OverBudget)) == ("over-budget", False)
    assert len(hub.asked) == 3
