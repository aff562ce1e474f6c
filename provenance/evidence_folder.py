"""`--evidence DIR`: everything that others need to check a result, in one folder.

`result.json` is the result, `samples.json` which rows were read with their digests, `environment.json` what computed,
and `SHA256SUMS` the digests of these three, as `sha256sum -c` reads them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fingerprints.errors import UsageError
from provenance.reports.json import encode
from provenance.result import Result
from provenance.samples import Samples, decode_samples, encode_samples
from provenance.saved import SavedResult, open_saved, read_text
from provenance.version import environment
from provenance.writing import check_destination, write_atomically

RESULT: Final = "result.json"
SAMPLES: Final = "samples.json"
ENVIRONMENT: Final = "environment.json"
SUMS: Final = "SHA256SUMS"
_LISTED: Final = (ENVIRONMENT, RESULT, SAMPLES)
_SUM: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFolder:
    """What was found in such a folder. `sums` are recorded digest and digest now, by file."""

    saved: SavedResult
    samples: Samples
    sums: dict[str, tuple[str | None, str]]


def check_evidence_folder(folder: Path) -> None:
    """Find out before the work whether the evidence can go there.

    Raises
    ------
    UsageError
        When there is something else at its place, or nothing can be made there.
    """
    if folder.is_dir():
        others = sorted(path.name for path in folder.iterdir() if path.name not in (*_LISTED, SUMS))
        if others:
            raise UsageError(
                f"--evidence {folder} holds {others[0]!a}, which is no evidence", hint="name a new or an empty folder"
            )
        check_destination(folder / RESULT)
    elif folder.exists() or folder.is_symlink():
        raise UsageError(f"--evidence {folder} is no folder", hint="name a new or an empty folder")
    else:
        check_destination(folder)


def write_evidence(folder: Path, result: Result, samples: Samples) -> None:
    """Write the four files; the sums come last, so that a folder without them is an unfinished one.

    Raises
    ------
    UsageError, AuditError
        When they cannot be written.
    """
    check_evidence_folder(folder)
    folder.mkdir(exist_ok=True)
    (folder / SUMS).unlink(missing_ok=True)
    contents = {
        ENVIRONMENT: json.dumps(environment(), indent=2) + "\n",
        RESULT: encode(result),
        SAMPLES: encode_samples(samples),
    }
    for name, text in contents.items():
        write_atomically(folder / name, text)
    sums = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in contents.items())
    write_atomically(folder / SUMS, sums)


def open_evidence(folder: Path) -> EvidenceFolder:
    """Read what `write_evidence` wrote.

    Raises
    ------
    UsageError
        When a file is not what it should be.
    OSError
        When one is missing.
    """
    recorded = dict(_recorded(folder))
    now = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _LISTED}
    return EvidenceFolder(
        saved=open_saved(folder / RESULT),
        samples=decode_samples(read_text(folder / SAMPLES)),
        sums={name: (recorded.get(name), digest) for name, digest in now.items()},
    )


def _recorded(folder: Path) -> list[tuple[str, str]]:
    found = [_SUM.fullmatch(line) for line in read_text(folder / SUMS).splitlines()]
    return [(each[2], each[1]) for each in found if each is not None]
