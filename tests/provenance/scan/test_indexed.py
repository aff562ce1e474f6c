"""Scans with a library of fingerprints, and of models on a Hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provenance.jobs.category import Category
from provenance.jobs.local import Workers
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.options import Options
from provenance.scan.claim import Claimed
from provenance.scan.row import Row, State
from provenance.scan.scanning import ScanSettings, scan
from tests.provenance.hub.conftest import Serve, serve
from tests.provenance.hub.server import refuse, times

__all__ = ["serve"]

SETTINGS = ScanSettings(options=Options(threads=1), workers=Workers.THREADS)


@pytest.fixture(scope="module")
def index(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of the folder as fingerprints, the second without its weights."""
    folder = tmp_path_factory.mktemp("index")
    with Library(folder, create=True) as made:
        for name in ("acme/first", "second"):
            entry = add_path(made, library / name, name=name, licence="llama3.1" if name == "acme/first" else "")
            assert entry.names == (name,)
    return folder


def by_name(rows: list[Row]) -> dict[str, tuple[str | None, str | None, Claimed | None]]:
    return {row.target.rpartition("/")[2]: (row.relation, row.base, row.claim) for row in rows}


EXPECTED = {
    "honest": ("derived", "acme/first", Claimed.CONFIRMED),
    "lying": ("derived", "second", Claimed.CONTRADICTED),
    "silent": ("derived", "second", Claimed.UNDECLARED),
    "stranger": (None, None, Claimed.NONE),
}


def test_a_library_of_fingerprints_gives_the_same_bases(models: Path, index: Path, tmp_path: Path) -> None:
    rows = scan([str(path) for path in sorted(models.iterdir())], index, tmp_path / "r.db", SETTINGS)
    assert by_name(rows) == EXPECTED
    assert rows[0].base_licence == "llama3.1"


def test_models_on_a_hub_and_what_is_wrong_with_some(models: Path, index: Path, tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "README.md").write_text("# No weights yet\n")
    repositories = {f"acme/{path.name}": path for path in models.iterdir()} | {"acme/card": tmp_path / "card"}
    hub = serve({**repositories, "acme/gated": models / "silent"}, gated={"acme/gated"})
    targets = [f"acme/{name}" for name in ("honest", "stranger", "none", "gated", "card")]
    rows = scan(targets, index, tmp_path / "r.db", SETTINGS)
    assert by_name(rows[:2]) == {name: EXPECTED[name] for name in ("honest", "stranger")}
    assert all(row.revision is not None and len(row.revision) == 40 for row in rows[:2])
    assert all(row.bytes_read > 0 for row in rows[:2])
    assert {row.state for row in rows[2:]} == {State.ERROR}
    assert [row.error for row in rows[2:]] == [Category.MISSING, Category.GATED, Category.UNSUPPORTED]
    asked = len(hub.asked)
    assert scan(targets, index, tmp_path / "r.db", SETTINGS) == rows
    assert len(hub.asked) == asked
    # What did not move costs no more than a look at where it is.
    assert scan(targets[:2], index, tmp_path / "r.db", replace(SETTINGS, refresh=True)) == rows[:2]
    assert not [each for each in hub.asked[asked:] if each.span is not None]


def test_a_server_that_wants_to_be_left_alone_is_a_category(
    models: Path, index: Path, tmp_path: Path, serve: Serve
) -> None:
    serve({"acme/honest": models / "honest"}, api_faults=[times(1000, refuse(429, Retry_After="9000"))])
    (row,) = scan(["acme/honest"], index, tmp_path / "r.db", SETTINGS)
    assert row.error is Category.RATE_LIMITED
    serve({"acme/honest": models / "honest"})
    (row,) = scan(["acme/honest"], index, tmp_path / "r.db", SETTINGS)
    assert (row.base, row.error) == ("acme/first", None)
