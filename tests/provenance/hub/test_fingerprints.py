"""Fingerprints taken over the network are those taken from the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fingerprints.errors import Unavailable
from fingerprints.fingerprint import FingerprintCheckpoint, open_model
from provenance.fingerprinting import fingerprint, fingerprint_of
from provenance.hub import Hub
from provenance.hub.patience import Patience
from provenance.identification import identify
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.library.building import build_from
from provenance.options import Silent
from tests.checkpoints import write_values
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.server import COMMIT, Asked, Fault, Handler, refuse, reset, short, times

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"


def test_the_content_is_the_same_and_the_revision_is_kept(serve: Serve, tmp_path: Path) -> None:
    serve({"org/llama": BASES / "llama-0"})
    _, local = fingerprint(BASES / "llama-0", whole=False)
    data, remote = fingerprint("org/llama")
    assert remote.content == local.content
    assert not remote.whole
    path = tmp_path / "remote.safetensors"
    path.write_bytes(data)
    with open_model(path) as opened:
        assert isinstance(opened, FingerprintCheckpoint)
        assert opened.fingerprint.claims["revision"] == COMMIT


def test_a_library_is_built_from_the_hub_and_models_there_are_identified(serve: Serve, tmp_path: Path) -> None:
    serve({"org/llama": BASES / "llama-0", "org/bert": BASES / "bert-0"})
    catalogue = tmp_path / "models.csv"
    catalogue.write_text("name,family\norg/llama,Llama\norg/absent,x\n")
    with Library(tmp_path / "library", create=True) as library:
        done = build_from(library, catalogue, tmp_path, Silent(), hub=True)
        assert done.added == ("org/llama",)
        assert [each.subject for each in done.failed] == ["org/absent"]
        assert library.entry("org/llama").revision == COMMIT
        assert add_path(library, "org/bert").names == ("org/bert",)
        assert identify("hf://org/llama", library).closest == ("org/llama",)
        assert library.verify() == []


@pytest.mark.parametrize("known", [False, True])
def test_build_without_permission_to_fetch_asks_nobody(serve: Serve, tmp_path: Path, known: bool) -> None:
    hub = serve({"org/llama": BASES / "llama-0"})
    catalogue = tmp_path / "models.csv"
    catalogue.write_text("name\norg/llama\n")
    with Library(tmp_path / "library", create=True) as library:
        if known:
            add_path(library, BASES / "llama-0", name="org/llama")
        done = build_from(library, catalogue, tmp_path, Silent())
        assert (done.known if known else done.missing) == ("org/llama",)
    assert not hub.asked


@pytest.fixture
def small(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    tensors = {f"w{place}.weight": rng.standard_normal((3000, 400)).astype(np.float32) for place in range(3)}
    return write_values(tmp_path / "small", tensors)


@pytest.mark.parametrize("act", [refuse(503), reset, short])
def test_a_fault_on_the_way_changes_nothing(
    serve: Serve, small: Path, act: Callable[[Handler, Path, Asked], None]
) -> None:
    _, truth = fingerprint(small, whole=False)
    serve({"org/passing": small}, faults=[beyond(2_000_000, times(1, act))])
    assert fingerprint("org/passing")[1].content == truth.content


def test_a_fault_that_lasts_is_an_error_and_no_smaller_fingerprint(serve: Serve, small: Path) -> None:
    serve({"org/lasting": small}, faults=[beyond(2_000_000, times(99, refuse(503)))])
    hasty = Patience(attempts=3, first_wait=0.05)
    with (
        Hub(patience=hasty) as hub,
        open_model(hub.locate("org/lasting")) as checkpoint,
        pytest.raises(Unavailable, match="in 3 attempts"),
    ):
        fingerprint_of(checkpoint)


def beyond(start: int, broken: Fault) -> Fault:
    """A fault of requests beyond a place in a file: what is asked for before is answered."""
    return lambda handler, path, asked: (
        asked.span is not None and asked.span[0] > start and broken(handler, path, asked)
    )
