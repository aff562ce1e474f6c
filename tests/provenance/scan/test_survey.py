"""All targets of a scan are looked at before the first is decided: what that costs, and what comes of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fingerprints.errors import OverBudget, Unavailable
from provenance.hub import Hub
from provenance.hub.listing import Listing, listing_of_json, listing_to_json
from provenance.jobs.category import Category
from provenance.jobs.local import Workers
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.options import Options
from provenance.scan.ledger import Ledger
from provenance.scan.purse import Allowance, Grant, Purse
from provenance.scan.row import State
from provenance.scan.scanning import ScanSettings, scan
from provenance.scan.survey import Survey
from tests.provenance.hub.conftest import Serve, serve
from tests.provenance.hub.server import COMMIT
from tests.small_models import write_child, write_model

__all__ = ["serve"]

SETTINGS = ScanSettings(options=Options(threads=1), workers=Workers.THREADS)
WIDE = {"hidden": 128, "vocabulary": 6000}
"""Models too large to be fetched whole."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base, its exact copy, the same with another configuration, a child, and smaller and larger strangers."""
    folder = tmp_path_factory.mktemp("town")
    base = write_model(folder / "base", seed=1, **WIDE)
    copy = shutil.copytree(base, folder / "copy")
    (copy / "README.md").write_text("---\nbase_model: acme/base\n---\n")
    reset = shutil.copytree(base, folder / "reset")
    (reset / "config.json").write_text(json.dumps({"model_type": "llama", "rope_theta": 1.0}))
    return {
        "zoo/large": write_model(folder / "large", seed=2, **{**WIDE, "vocabulary": 7000}),
        "zoo/child": write_child(folder / "child", base, seed=3),
        "zoo/reset": reset,
        "zoo/small": write_model(folder / "small", seed=4),
        "zoo/copy": copy,
        "acme/base": base,
    }


def library_of(tmp_path: Path) -> Path:
    """The base as the Hub has it, its weights not at hand."""
    with Library(tmp_path / "index", create=True) as made:
        add_path(made, "acme/base")
    return tmp_path / "index"


@pytest.mark.parametrize("siblings", [True, False])
def test_what_is_known_comes_first_then_what_is_small(
    town: dict[str, Path], tmp_path: Path, serve: Serve, siblings: bool
) -> None:
    hub = serve(town, siblings=siblings)
    index = library_of(tmp_path)
    hub.asked.clear()
    targets = [name for name in town if name.startswith("zoo/")]
    rows = {row.target: row for row in scan(targets, index, tmp_path / "r.db", SETTINGS)}
    assert [*rows] == targets
    assert {name: (row.relation, row.base) for name, row in rows.items()} == {
        "zoo/large": (None, None),
        "zoo/child": ("derived", "acme/base"),
        "zoo/reset": ("derived", "acme/base"),
        "zoo/small": (None, None),
        "zoo/copy": ("identical", "acme/base"),
    }
    assert (rows["zoo/copy"].claim, rows["zoo/copy"].kinds) == ("confirmed", ())
    looks = [asked.path for asked in hub.asked if asked.path.startswith("/api/")]
    assert len(looks) == (1 if siblings else 2) * len(targets)
    assert [asked.path for asked in hub.asked[: len(looks)]] == looks
    order = list(dict.fromkeys("/".join(asked.path.split("/")[1:3]) for asked in hub.ranges))
    # All of the files' bytes of two of them are the base's; what is to be read otherwise is found out by opening it.
    assert set(order[:2]) == {"zoo/copy", "zoo/reset"}
    assert order[2:] == ["zoo/small", "zoo/child", "zoo/large"]
    # The header of the copy, its card, and nothing else.
    spans = [asked.span for asked in hub.ranges if asked.path.startswith("/zoo/copy/") and asked.span]
    assert max(stop for _, stop in spans) < 100_000 < (town["zoo/copy"] / "model.safetensors").stat().st_size
    assert sum(row.requests for row in rows.values()) == len(hub.asked)
    # One by one they are the same.
    for name, row in rows.items():
        (alone,) = scan([name], index, tmp_path / f"{name.replace('/', '-')}.db", SETTINGS)
        assert replace(alone, seconds=row.seconds) == row


def test_what_was_looked_at_is_remembered(town: dict[str, Path], tmp_path: Path, serve: Serve) -> None:
    hub = serve(town)
    index = library_of(tmp_path)
    targets = [name for name in town if name.startswith("zoo/")]
    hub.asked.clear()
    # Enough for the looks, and stopped there.
    rows = scan(targets, index, tmp_path / "r.db", replace(SETTINGS, allowance=Allowance(requests=len(targets))))
    assert {(row.state, row.attempts) for row in rows} == {(State.PENDING, 0)}
    assert len(hub.asked) == len(targets)
    hub.asked.clear()
    rows = scan(targets, index, tmp_path / "r.db", SETTINGS)
    assert {row.state for row in rows} == {State.DONE}
    assert not [asked for asked in hub.asked if asked.path.startswith("/api/")]
    with Ledger(tmp_path / "r.db") as ledger:
        assert ledger.surveyed() == []


def test_files_of_models_that_lie_here_are_known_too(town: dict[str, Path], tmp_path: Path, serve: Serve) -> None:
    serve(town)
    base = shutil.copytree(town["acme/base"], tmp_path / "base")
    with Library(tmp_path / "index", create=True) as made:
        add_path(made, base, name="mine")
    # Weights at hand would be compared themselves.
    shutil.rmtree(base)
    (row,) = scan(["zoo/copy"], tmp_path / "index", tmp_path / "r.db", SETTINGS)
    assert (row.relation, row.base) == ("identical", "mine")
    with Library(tmp_path / "index") as made:
        made.remove("mine")
        assert made.database.files() == []


def test_a_failure_keeps_the_commit_and_is_not_tried_again_before_that_moves(
    town: dict[str, Path], tmp_path: Path, serve: Serve
) -> None:
    serve(town)
    index = library_of(tmp_path)
    hub = serve(town, gated={"zoo/child"})
    (row,) = scan(["zoo/child"], index, tmp_path / "r.db", SETTINGS)
    assert (row.error, row.revision, row.stamp) == (Category.GATED, COMMIT, COMMIT)
    hub.asked.clear()
    assert scan(["zoo/child"], index, tmp_path / "r.db", replace(SETTINGS, refresh=True)) == [row]
    assert len(hub.asked) == 1
    hub.revisions["main"] = "f" * 40
    hub.gated.clear()
    (row,) = scan(["zoo/child"], index, tmp_path / "r.db", replace(SETTINGS, refresh=True))
    assert (row.state, row.revision) == (State.DONE, "f" * 40)


@pytest.mark.parametrize(
    ("error", "state"), [(OverBudget("more"), State.DONE), (Unavailable("the line is cut"), State.ERROR)]
)
def test_a_network_that_fails_is_no_finding(
    town: dict[str, Path],
    tmp_path: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    error: Unavailable,
    state: State,
) -> None:
    serve(town)
    with Library(tmp_path / "index", create=True) as made:
        add_path(made, town["acme/base"], name="acme/base")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("provenance.identification.at_hand.compare", fail)
    (row,) = scan(["zoo/child"], tmp_path / "index", tmp_path / "r.db", SETTINGS)
    assert row.state is state
    assert row.revision == COMMIT


def test_a_listing_is_the_same_from_one_request_and_from_pages(town: dict[str, Path], serve: Serve) -> None:
    found = []
    for siblings, requests in ((True, 1), (False, 2)):
        hub = serve(town, siblings=siblings)
        with Hub() as ours:
            found.append(ours.listing("zoo/copy"))
        assert len(hub.asked) == requests
    assert found[0] == found[1]
    assert isinstance(found[0], Listing)
    assert listing_of_json(json.loads(json.dumps(listing_to_json(found[0])))) == found[0]


def test_a_listing_on_the_disk_is_not_believed(tmp_path: Path) -> None:
    plain = {"repository": "a/b", "commit": "0" * 40, "files": [{"type": "file", "path": "../../x", "size": 1}]}
    assert listing_of_json(plain).files == {}
    for wrong in ({"repository": "../b"}, {"commit": "main"}, {"files": None}, {"repository": "a/b/c"}):
        with pytest.raises(ValueError, match="it "):
            listing_of_json({**plain, **wrong})
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add(["a/b"])
        ledger.note_survey("a/b", Survey(nbytes=5, listing=listing_of_json(plain), requests=1))
        assert ledger.survey("a/b") == Survey(nbytes=5, listing=listing_of_json(plain), requests=1)


def test_a_slow_pace_is_given_to_few() -> None:
    purse = Purse(Allowance(per_minute=60), per_target=None)
    granted = [purse.grant(name, workers=16) for name in "abc"]
    assert [grant and grant.per_minute for grant in granted] == [30, 30, None]
    slow = Purse(Allowance(per_minute=6), per_target=None).grant("a", workers=16)
    assert slow == Grant(per_minute=6)
