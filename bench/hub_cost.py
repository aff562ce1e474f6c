"""What looking at a model of 7 billion parameters on a Hub costs one side, counted by the server."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.hub import serving_alone
from bench.outcome import Check, Grid, Outcome
from provenance import Options, compare
from tests.provenance.hub.server import LocalHub
from tests.provenance.hub.shaped import seven_billion, values

BASE, FILES, VALUES, OTHER = "big/base", "big/files", "big/values", "big/other"
SEEDS = {BASE: 1, FILES: 1, VALUES: 1, OTHER: 2}
LITTLE, MOST_REQUESTS = 60_000_000, 60
CASES = (
    ("the same files", FILES, Options()),
    ("equal values in other files, 60 MB for both", VALUES, Options(budget=LITTLE)),
    ("other values, 60 MB for both", OTHER, Options(budget=LITTLE)),
    ("equal values in other files, the default budget", VALUES, Options()),
    ("other values, the default budget", OTHER, Options()),
    ("equal values in other files, no bound", VALUES, Options(allow_download=True)),
    ("other values, no bound", OTHER, Options(allow_download=True)),
)
"""What the other side is, its repository, and how it is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One comparison: what was said and looked at, and what the second side took."""

    case: str
    relation: str
    rows: int
    layers: int
    searched: Sequence[str]
    requests: int
    nbytes: int
    seconds: float


def run() -> Outcome:
    """All cases."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = seven_billion(Path(scratch) / "shaped")
        copies = {name: _linked(folder, Path(scratch) / name.rpartition("/")[2]) for name in SEEDS}
        # Given, since adding up 13 GB takes a while: the first two repositories list the same files.
        digests = {
            path: hashlib.sha256(f"{'big/base' if name == FILES else name} {path.name}".encode()).hexdigest()
            for name, place in copies.items()
            for path in place.glob("*.safetensors")
        }
        hub = LocalHub(repositories=copies, faults=[values(SEEDS)], digests=digests)
        with serving_alone(hub):
            return outcome([cost(hub, *case) for case in CASES])


def outcome(found: Sequence[Cost]) -> Outcome:
    """What is told of all cases."""
    wrong = [
        each for each in found if each.relation != ("independent" if each.case.startswith("other") else "identical")
    ]
    little = [each for each in found if str(LITTLE // 10**6) in each.case]
    return Outcome(
        part="hub-cost",
        checks=[
            Check(name="another relation than the true one", observed=str(len(wrong)), required="0", passed=not wrong),
            Check(
                name="of 60 MB for both: most requests and MB of a side",
                observed=f"{max(each.requests for each in little)}, {max(each.nbytes for each in little) / 1e6:.1f}",
                required=f"<= {MOST_REQUESTS}, <= {LITTLE / 2e6:.0f}",
                passed=all(each.requests <= MOST_REQUESTS and 2 * each.nbytes <= LITTLE for each in little),
            ),
        ],
        grids=[
            Grid(
                title="a Llama of 7 billion parameters in three shards, bfloat16: one side",
                columns=("", "relation", "rows of layers", "searched", "requests", "MB of its files"),
                rows=[
                    (
                        each.case,
                        each.relation,
                        f"{each.rows} of {each.layers}",
                        ", ".join(each.searched) or "-",
                        f"{each.requests:,}",
                        f"{each.nbytes / 1e6:.1f}",
                    )
                    for each in found
                ],
            )
        ],
        data={"cases": [asdict(each) for each in found]},
    )


def cost(hub: LocalHub, case: str, other: str, options: Options) -> Cost:
    """Compare with one other repository."""
    hub.asked.clear()
    result = compare(BASE, other, options)
    asked = [each for each in hub.asked if f"{other}/" in f"{each.path}/"]
    run = result.run.options
    return Cost(
        case=case,
        relation=result.verdict.relation.value,
        rows=run["rows"],
        layers=run["layers"],
        searched=tuple(run["searched"]),
        requests=len(asked),
        nbytes=sum(stop - start for each in asked for start, stop in [each.span or (0, 0)]),
        seconds=round(result.run.seconds, 1),
    )


def _linked(folder: Path, target: Path) -> Path:
    """The same files under another folder, so that each may have a digest of its own."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).hardlink_to(path)
    return target
