"""What a Hub lists, held against huggingface_hub's own client."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import HfApi

from fingerprints.errors import Unavailable, UsageError
from provenance.hub import Hub
from provenance.hub.query import HubQuery
from provenance.scan.targets import read_targets
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.server import LocalHub, refuse, times

CHILDREN = {"acme/chat", "zoo/chat-2"}


@pytest.fixture
def hub(serve: Serve, tmp_path: Path) -> LocalHub:
    names = ["acme/base", "acme/chat", "acme/vision", "zoo/chat-2", "zoo/base", *(f"many/m{each}" for each in range(9))]
    tags = {name: {"base_model:acme/base", "gguf"} if name in CHILDREN else {"safetensors"} for name in names}
    return serve(dict.fromkeys(names, tmp_path), tags=tags, models_a_page=2)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"author": "acme"},
        {"search": "CHAT"},
        {"author": "zoo", "search": "chat"},
        {"filter": ["safetensors"]},
        {"filter": ["gguf", "base_model:acme/base"]},
        {"author": "many", "limit": 5},
        {"author": "nobody"},
    ],
    ids=str,
)
def test_the_same_models_as_another_client(hub: LocalHub, query: dict[str, object]) -> None:
    theirs = [each.id for each in HfApi(endpoint=hub.url).list_models(**query)]  # type: ignore[arg-type]
    asked = {**query, "filters": tuple(query.get("filter", ()))}  # type: ignore[arg-type]
    asked.pop("filter", None)
    with Hub() as ours:
        assert list(ours.models(HubQuery(**asked))) == theirs  # type: ignore[arg-type]
    assert bool(theirs) == (query != {"author": "nobody"})


def test_no_page_is_asked_for_that_is_not_needed(hub: LocalHub) -> None:
    with Hub() as ours:
        assert len(list(ours.models(HubQuery(author="many", limit=3)))) == 3
    assert len(hub.asked) == 2


def test_children_and_organisations_are_targets(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(read_targets([], [], [HubQuery(children_of="acme/base")])) == CHILDREN
    assert read_targets(["hf://zoo", "here"], [], [HubQuery(search="chat")]) == [
        "zoo/base",
        "zoo/chat-2",
        "here",
        "acme/chat",
    ]
    # What is spelled like a folder here must not be read from there.
    (tmp_path / "zoo" / "base").mkdir(parents=True)
    assert read_targets(["https://huggingface.co/zoo"], []) == ["hf://zoo/base", "zoo/chat-2"]
    with pytest.raises(UsageError, match="no model on the Hub fits 'author=nobody'"):
        read_targets(["hf://nobody"], [])


def test_a_listing_that_fails_for_a_while_and_one_that_does_not_end(hub: LocalHub) -> None:
    hub.api_faults.append(times(2, refuse(429, Retry_After="0")))
    assert len(read_targets(["hf://many"], [])) == 9
    url = f"{hub.url}/api/models?author=many&limit=1000"
    circle = f'<{url}>; rel="next"'
    hub.api_faults.append(times(9, lambda handler, path, asked: handler.answer(200, b"[]", Link=circle)))
    with pytest.raises(Unavailable, match="goes in a circle"):
        read_targets(["hf://many"], [])


@pytest.mark.parametrize("body", [b"{}", b"[7]", b'[{"id": 7}]', b'[{"id": "a\\nb"}]', b"<html>"])
def test_a_server_that_lists_no_models(hub: LocalHub, body: bytes) -> None:
    hub.api_faults.append(times(1, lambda handler, path, asked: handler.answer(200, body)))
    with pytest.raises(Unavailable) as caught:
        read_targets(["hf://many"], [])
    assert "HF_ENDPOINT" in caught.value.hint


@pytest.mark.parametrize("query", [{"children_of": "acme"}, {"children_of": "a/b@v1"}, {"author": " "}, {"search": ""}])
def test_queries_that_ask_for_nothing(query: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        HubQuery(**query)
