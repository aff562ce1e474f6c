from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_models import write_child, write_model


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of their own, one of them with a card."""
    folder = tmp_path_factory.mktemp("library")
    write_model(folder / "acme" / "first", seed=1)
    (folder / "acme" / "first" / "README.md").write_text("---\nlicense: llama3.1\n---\n# First\n")
    write_model(folder / "second", seed=2)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    """A child of each, with claims, and a stranger."""
    folder = tmp_path_factory.mktemp("models")
    honest = write_child(folder / "honest", library / "acme" / "first", seed=3)
    (honest / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: acme/first\n---\n")
    lying = write_child(folder / "lying", library / "second", seed=4)
    (lying / "README.md").write_text("---\nbase_model:\n- acme/first\n---\n")
    write_child(folder / "silent", library / "second", seed=5)
    write_model(folder / "stranger", seed=6)
    return folder
