"""Add what lies at a path."""

from __future__ import annotations

from pathlib import Path

from fingerprints.fingerprint import FingerprintCheckpoint, open_model
from provenance.hub import Hub
from provenance.hub.reference import SCHEME
from provenance.library.entry import Entry
from provenance.library.library import Library
from provenance.options import Progress


def add_path(
    library: Library,
    model: str | Path,
    *,
    name: str | None = None,
    family: str = "",
    licence: str = "",
    parents: tuple[str, ...] = (),
    variant: str | None = None,
    progress: Progress | None = None,
) -> Entry:
    """Take the fingerprint of a model, or the fingerprint that lies there, and add it.

    Parameters
    ----------
    library : Library
        Where to.
    model : str or Path
        A file or folder, or as text a model on the Hub.
    name : str, optional
        What to call it; by default what the file, without its suffix, or the folder is called.
    family, licence, parents
        What is known about it.
    variant : str, optional
        The weight set to read in a folder that holds several.
    progress : Progress, optional
        Told how far it is.

    Raises
    ------
    CheckpointError, UsageError
        When it cannot be opened, or is an adapter without its base.
    """
    with Hub() as hub, open_model(place := hub.locate(model), variant=variant) as checkpoint:
        if place is not model:
            called, source = str(model).removeprefix(SCHEME), str(model)
        else:
            there = Path(model).resolve()
            called = there.name if there.is_dir() else there.stem
            source = "" if isinstance(checkpoint, FingerprintCheckpoint) else str(there)
        details = Entry(
            content="", names=(name or called,), sources=(source,), family=family, licence=licence, parents=parents
        )
        return library.add_model(checkpoint, details, progress)
