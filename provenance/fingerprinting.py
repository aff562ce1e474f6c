"""`fingerprint`: from a checkpoint to what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingerprints.adapters import read_adapter, with_base
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import UsageError
from fingerprints.fingerprint import Fingerprint, FingerprintCheckpoint, Grade, encode, open_model, take_fingerprint
from fingerprints.readers.quoting import quoted
from provenance.claims import CLAIMED, plain_claim
from provenance.hub import Hub
from provenance.hub.fetched import Fetched
from provenance.options import Progress, Silent
from provenance.thresholds import thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintSummary:
    """What `fingerprint` says about a file that it wrote.

    `content` is the digest that libraries know it by; `whole` says that it holds digests of all values; `rows` and
    `vectors` count the tensors of which units and entries are in it; `requests` and `bytes_fetched` are what it took of
    the Hub.
    """

    reference: str
    content: str
    nbytes: int
    tensors: int
    parameters: int
    rows: int
    vectors: int
    whole: bool
    method: str
    bytes_read: int
    bytes_total: int
    requests: int
    bytes_fetched: int
    schema_version: int = 1


def fingerprint_of(
    checkpoint: Checkpoint,
    *,
    whole: bool | None = None,
    grade: Grade = Grade.FULL,
    progress: Progress | None = None,
) -> Fingerprint:
    """The fingerprint of an opened checkpoint; of an opened fingerprint, that itself.

    Parameters
    ----------
    checkpoint : Checkpoint
        What `fingerprints.fingerprint.open_model` gave.
    whole : bool, optional
        Read every value for digests that prove identity; by default where that is cheap (256 MB, on this
        machine).
    grade : Grade
        How much is sampled; of a fingerprint, it stays what it is.
    progress : Progress, optional
        Told how far it is.

    Raises
    ------
    UsageError
        When it is an adapter without its base.
    CheckpointError
        As the readers do.
    """
    if isinstance(checkpoint, FingerprintCheckpoint):
        return checkpoint.fingerprint
    progress = progress or Silent()
    adapter = read_adapter(checkpoint)
    if adapter is not None and adapter.alone:
        raise UsageError(
            f"{quoted(checkpoint.origin.reference)} is an adapter without its base, which has no weights of its own",
            hint="merge it into its base, or put both into one file",
        )
    shown = checkpoint if adapter is None else with_base(adapter)
    if whole is None:
        near = not Fetched.of((checkpoint,)).remote
        whole = near and checkpoint.bytes_total <= thresholds().small_checkpoint_bytes
    progress.stage("taking the fingerprint", len(shown.tensors))
    return take_fingerprint(shown, whole=whole, grade=grade, claims=_claims(checkpoint), advance=progress.advance)


def fingerprint(
    model: str | Path,
    *,
    variant: str | None = None,
    whole: bool | None = None,
    grade: Grade = Grade.FULL,
    budget: int | None = None,
    progress: Progress | None = None,
) -> tuple[bytes, FingerprintSummary]:
    """The fingerprint file of a checkpoint, and what is in it.

    Parameters
    ----------
    model : str or Path
        A file or folder, or as text a model on the Hub.
    variant : str, optional
        The weight set to read in a folder that holds several.
    whole, grade, progress
        As for `fingerprint_of`.
    budget : int, optional
        Bytes that may be fetched from the Hub; 500 MB where nothing is said.

    Raises
    ------
    CheckpointError, UsageError
        As for `fingerprint_of`.
    """
    with Hub(budget=budget) as hub, open_model(hub.locate(model), variant=variant) as checkpoint:
        taken = fingerprint_of(checkpoint, whole=whole, grade=grade, progress=progress)
        data = encode(taken)
        return data, FingerprintSummary(
            reference=str(model),
            content=taken.content,
            nbytes=len(data),
            tensors=len(taken.tensors),
            parameters=taken.inventory.parameters,
            rows=len({each.name for each in taken.axes}),
            vectors=len(taken.vectors),
            whole=taken.whole,
            method=taken.method,
            bytes_read=checkpoint.bytes_read,
            bytes_total=checkpoint.bytes_total,
            requests=hub.traffic.requests,
            bytes_fetched=hub.traffic.bytes_fetched,
        )


def _claims(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """What metadata says, without the place where the checkpoint lay: that is nobody's business but the owner's."""
    config = checkpoint.origin.config
    found = {name: value for name in CLAIMED if (value := plain_claim(config, name)) is not None}
    revision = checkpoint.origin.revision
    return {**found, "stored_as": checkpoint.origin.format} | ({} if revision is None else {"revision": revision})
