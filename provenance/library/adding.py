"""Add what lies at a path."""

from __future__ import annotations

from pathlib import Path

from fingerprints.fingerprint import FingerprintCheckpoint, open_model
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
        A file or folder.
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
    with open_model(model, variant=variant) as checkpoint:
        place = Path(model).resolve()
        source = "" if isinstance(checkpoint, FingerprintCheckpoint) else str(place)
        called = name or (place.name if place.is_dir() else place.stem)
        details = Entry(content="", names=(called,), sources=(source,), family=family, licence=licence, parents=parents)
        return library.add_model(checkpoint, details, progress)
