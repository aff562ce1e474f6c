"""A Hub of our own, and what reads from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from tests.provenance.hub.server import LocalHub, serving

Serve = Callable[..., LocalHub]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serve]:
    """Serve folders as repositories, and send all that asks for the Hub there."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with ExitStack() as stack:

        def start(repositories: dict[str, Path], **settings: object) -> LocalHub:
            hub = stack.enter_context(serving(LocalHub(repositories=repositories, **settings)))  # type: ignore[arg-type]
            monkeypatch.setattr(constants, "ENDPOINT", hub.url)
            template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
            monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            return hub

        yield start
        close_session()
