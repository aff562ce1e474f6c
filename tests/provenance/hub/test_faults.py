"""Whatever a server does, the answer is right, or an error says what happened; and nothing hangs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.zoo.cache import DATA
from cli.exit_codes import ExitCode
from cli.main import run
from fingerprints.adapters import open_model
from fingerprints.errors import Unavailable
from fingerprints.signals.tensor_digest import content_digest
from provenance.hub import Hub
from provenance.hub.patience import Patience
from tests.provenance.hub import server
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.server import Fault, refuse, times

BASE = DATA / "bases" / "llama-0"
HASTY = Patience(attempts=4, first_wait=0.01, longest_wait=2.0, silence=0.5, grace=0.3, slowest=4096.0)


def digest(reference: str, patience: Patience = HASTY, **settings: bool) -> str:
    """Read everything."""
    with Hub(patience=patience, **settings) as hub, open_model(hub.locate(reference)) as checkpoint:
        return content_digest(checkpoint)


@pytest.fixture(scope="module")
def truth() -> str:
    """What the disk holds."""
    with open_model(BASE) as checkpoint:
        return content_digest(checkpoint)


@pytest.mark.parametrize(
    "fault",
    [
        times(2, refuse(503)),
        times(2, refuse(429, Retry_After="0")),
        times(1, refuse(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")),
        times(1, refuse(429, RateLimit='"resolvers";r=0;t=1')),
        times(3, refuse(500)),
        times(3, server.reset),
        times(3, server.short),
        times(2, server.drip),
    ],
    ids=["503", "429", "429 until a date", "429 by quota", "500", "reset", "short", "drip"],
)
def test_a_passing_fault_changes_nothing(serve: Serve, truth: str, fault: Fault) -> None:
    hub = serve({"zoo/base": BASE}, faults=[fault])
    began = time.monotonic()
    assert digest("zoo/base") == truth
    assert time.monotonic() - began < 10
    assert len(hub.ranges) > 2


def test_after_a_broken_connection_only_the_rest_is_asked_for(serve: Serve, truth: str) -> None:
    hub = serve({"zoo/base": BASE}, faults=[times(1, server.reset)])
    assert digest("zoo/base") == truth
    first, second = [asked.span for asked in hub.ranges if asked.path.endswith(".safetensors")]
    assert first is not None
    assert second is not None
    assert second == (first[1] // 2, first[1])


def test_the_wait_that_is_asked_for_is_kept(serve: Serve, truth: str) -> None:
    serve({"zoo/base": BASE}, faults=[times(1, refuse(429, Retry_After="1"))])
    began = time.monotonic()
    assert digest("zoo/base") == truth
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (times(99, refuse(503)), "in 4 attempts; the last: it answered 503"),
        (times(99, refuse(429, Retry_After="3600")), "asks to wait 3600 seconds"),
        (times(99, server.drip), "in 4 attempts; the last: "),
        (times(99, server.short), "bytes are missing"),
        (times(99, server.other_total), "1099511627776 bytes, and 1125320 bytes are listed"),
        (times(99, refuse(200)), "is 0 bytes, and 1125320 bytes are listed"),
        (times(99, refuse(206, Content_Range="bytes 7-9/1125320")), "answered with other bytes"),
        (times(99, refuse(200, Content_Encoding="gzip")), "comes compressed"),
        (times(99, refuse(418)), "answered 418"),
    ],
)
def test_a_lasting_fault_is_an_error(serve: Serve, fault: Fault, message: str) -> None:
    serve({"zoo/base": BASE}, faults=[fault])
    began = time.monotonic()
    with pytest.raises(Unavailable, match=message) as caught:
        digest("zoo/base")
    assert time.monotonic() - began < 10
    assert caught.value.hint
    assert "zoo/base/model.safetensors" in caught.value.message or "seconds" in caught.value.message


def test_a_file_that_changes_between_ranges(serve: Serve, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.mkdir()
    header = b'{"w":{"dtype":"U8","shape":[40,100000],"data_offsets":[0,4000000]}}'
    (large / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4_000_000))

    def later(handler: server.Handler, path: Path, asked: server.Asked) -> bool:
        if asked.span is None or asked.span[0] == 0:
            return False
        server.changed(handler, path, asked)
        return True

    serve({"zoo/large": large}, faults=[later])
    with pytest.raises(Unavailable, match="changed while it was read"):
        digest("zoo/large")


def test_a_pointer_in_place_of_the_file(serve: Serve) -> None:
    serve({"zoo/base": BASE}, pointers={"model.safetensors"})
    with pytest.raises(Unavailable, match="is a pointer to large file storage, and 1125320 bytes are listed"):
        digest("zoo/base")


def test_a_server_that_knows_no_ranges(serve: Serve, tmp_path: Path) -> None:
    def whole(handler: server.Handler, path: Path, asked: server.Asked) -> bool:
        handler.answer(200, path.read_bytes(), ETag='"whole"')
        return True

    serve({"zoo/base": BASE}, faults=[whole])
    with pytest.raises(Unavailable, match="can only be fetched as a whole: 1125320 bytes") as caught:
        digest("zoo/base")
    assert "--allow-download" in caught.value.hint
    with open_model(BASE) as checkpoint:
        assert digest("zoo/base", allow_download=True) == content_digest(checkpoint)


def test_a_gated_repository(serve: Serve, truth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve({"zoo/base": BASE}, gated={"zoo/base"})
    with pytest.raises(Unavailable, match="is gated") as caught:
        digest("zoo/base")
    assert "HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "hf_granted")
    assert digest("zoo/base") == truth


def test_a_token_is_shown_to_the_hub_alone(serve: Serve, truth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_granted")
    elsewhere = serve({"zoo/base": BASE})
    hub = serve({"zoo/base": BASE}, cdn=elsewhere.url)
    assert digest("zoo/base") == truth
    assert all(asked.token == "Bearer hf_granted" for asked in hub.asked)
    assert elsewhere.ranges
    assert all(asked.token is None for asked in elsewhere.asked)


def test_an_address_that_expires_is_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.mkdir()
    header = b'{"w":{"dtype":"U8","shape":[60,100000],"data_offsets":[0,6000000]}}'
    (large / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(range(250)) * 24_000)
    count = iter(range(100))

    def expired(handler: server.Handler, path: Path, asked: server.Asked) -> bool:
        if next(count) != 1:
            return False
        handler.fail(403)
        return True

    elsewhere = serve({"zoo/large": large}, faults=[expired])
    hub = serve({"zoo/large": large}, cdn=elsewhere.url)
    with open_model(large) as checkpoint:
        assert digest("zoo/large") == content_digest(checkpoint)
    assert len([asked for asked in hub.ranges if asked.path.endswith(".safetensors")]) == 2


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("zoo/missing", "shows no repository of that name", "check the spelling"),
        ("zoo/base@nowhere", "'zoo/base@nowhere' has no such revision", "give a branch, a tag or a commit"),
        ("hf://zoo/../etc", "names no model on the Hub", "write hf://"),
    ],
)
def test_what_is_not_there_ends_with_2(
    serve: Serve, capsys: pytest.CaptureFixture[str], reference: str, message: str, hint: str
) -> None:
    serve({"zoo/base": BASE})
    assert run(["inspect", reference]) == ExitCode.FAILED
    written = capsys.readouterr().err
    assert written.startswith("error: ")
    assert message in written
    assert f"hint: {hint}" in written


def test_a_listing_that_fails_for_a_while(serve: Serve, truth: str) -> None:
    serve({"zoo/base": BASE}, api_faults=[times(2, refuse(429, Retry_After="0"))])
    assert digest("zoo/base") == truth


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"sha": "main"}', b'{"sha": 7}', b"[" * 100_000])
def test_a_server_that_is_no_hub(serve: Serve, body: bytes) -> None:
    serve({"zoo/base": BASE}, api_faults=[times(9, lambda handler, path, asked: handler.answer(200, body))])
    with pytest.raises(Unavailable) as caught:
        digest("zoo/base")
    assert "HF_ENDPOINT" in caught.value.hint


def test_nobody_listens(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve({"zoo/base": BASE})
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="in 4 attempts"):
        digest("zoo/base")
