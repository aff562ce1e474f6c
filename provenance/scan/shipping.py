"""How a library gets to the workers of a Dask cluster, those included that join later."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from distributed import WorkerPlugin

from fingerprints.errors import AuditError, UsageError
from fingerprints.readers.quoting import quoted
from provenance.library import Library
from provenance.library.bundle import export_to, import_from
from provenance.scan.references import References
from provenance.scan.shipment import Shipped, keep

if TYPE_CHECKING:
    from distributed import Client, Worker

MOST: Final = 1 << 31
"""Bytes of a library that is sent; the scheduler holds it in memory."""


def shipped(models: References | Path, stamp: str, client: Client) -> References | Path | Shipped:
    """Make sure that all workers have the library: where it lies, if they see it there, else a copy of it.

    Raises
    ------
    UsageError
        When that cannot be done.
    """
    folder = (models.folder if isinstance(models, References) else models).absolute()
    seen = client.run(partial(_sees, folder, None if isinstance(models, References) else stamp))
    if all(seen.values()):
        return models if isinstance(models, References) else folder
    if isinstance(models, References):
        missing = next(worker for worker, sees in seen.items() if not sees)
        raise UsageError(
            f"worker {quoted(missing)} sees no folder {quoted(str(folder))}",
            hint="use a library of fingerprints, which is sent to the workers: provenance library add MODEL",
        )
    with tempfile.TemporaryDirectory() as scratch, Library(folder) as library:
        bundle = Path(scratch, "library.zip")
        size = export_to(library, bundle).nbytes
        if size > MOST:
            raise UsageError(
                f"a library of {size} bytes is too large to be sent to workers",
                hint=f"put it where all workers see it under the same path: {quoted(str(folder))}",
            )
        client.register_plugin(Delivery(stamp, bundle.read_bytes()), name=f"provenance-library-{stamp}")
    return Shipped(stamp=stamp)


class Delivery(WorkerPlugin):  # type: ignore[misc]
    """Unpacks a library in each worker."""

    def __init__(self, stamp: str, bundle: bytes) -> None:
        self._stamp, self._bundle = stamp, bundle

    def setup(self, worker: Worker) -> None:
        """Called once in every worker, also in those that come later."""
        folder = Path(tempfile.mkdtemp(prefix="provenance-library-", dir=worker.local_directory))
        bundle = folder / "library.zip"
        bundle.write_bytes(self._bundle)
        with Library(folder, create=True) as library:
            import_from(library, bundle)
        bundle.unlink()
        keep(self._stamp, folder)


def _sees(folder: Path, stamp: str | None) -> bool:
    """Whether this process finds the same library at the same place."""
    from provenance.scan.scanning import library_stamp

    try:
        return folder.is_dir() if stamp is None else library_stamp(folder) == stamp
    except (AuditError, OSError):
        return False
