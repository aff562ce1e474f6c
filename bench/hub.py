"""The same answers over a Hub as from the disk: pairs of the zoo compared both ways, field by field."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from unittest.mock import patch

from huggingface_hub import close_session, constants
from rich.console import Console
from rich.progress import track

from bench.lineage.pairs import Pair, every
from bench.lineage.trial import place
from bench.outcome import Check, Grid, Outcome
from bench.peers.sample import stratified
from bench.zoo import derive
from bench.zoo.derivatives import DERIVATIONS
from fingerprints.errors import AuditError
from provenance import Options, compare
from provenance.result import to_json
from tests.provenance.hub.server import LocalHub, serving

STRANGERS = 120
"""Pairs of strangers, of 337."""
OPTIONS = Options(threads=1)
VERDICT = ("relation", "kinds", "direction", "log10_p")
SOURCES = ("reference", "revision")
"""Fields of a side that say where it lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One pair compared both ways: the relation from the disk, the paths of all fields that differ over the Hub, and
    the requests that were made.
    """

    pair: str
    group: str
    relation: str
    differences: tuple[str, ...]
    requests: int


def run(pairs: Sequence[Pair] | None = None) -> Outcome:
    """All relatives, all pairs that are alike without copying, and a sample of strangers.

    Parameters
    ----------
    pairs : sequence of Pair, optional
        These alone.
    """
    failed = derive.build() if pairs is None else {}
    chosen = sampled([name for name in DERIVATIONS if name not in failed]) if pairs is None else pairs
    with zoo_on_a_hub(chosen) as hub:
        found = [both(pair, hub) for pair in track(chosen, "comparing", console=Console(stderr=True))]
    return outcome(found, [f"{name} could not be made: {error!r}" for name, error in failed.items()])


def sampled(names: Iterable[str]) -> list[Pair]:
    """The pairs of a whole run."""
    pairs = every(names)
    strangers = [pair for pair in pairs if pair.group == "strangers"]
    return [pair for pair in pairs if pair.group != "strangers"] + stratified(
        strangers, lambda pair: f"{pair.transform} {pair.family}", STRANGERS, "hub", name=lambda pair: pair.name
    )


@contextmanager
def zoo_on_a_hub(pairs: Iterable[Pair]) -> Iterator[LocalHub]:
    """Serve every model of the pairs as `zoo/NAME`."""
    names = {name for pair in pairs for name in (pair.a, pair.b)}
    with serving_alone(LocalHub(repositories={f"zoo/{name}": derive.folder(name) for name in sorted(names)})) as hub:
        yield hub


@contextmanager
def serving_alone(hub: LocalHub) -> Iterator[LocalHub]:
    """Serve, and send all of this process that asks for the Hub there."""
    with serving(hub), tempfile.TemporaryDirectory() as scratch:
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        with (
            patch.object(constants, "HF_HUB_OFFLINE", False),
            patch.object(constants, "HF_HUB_CACHE", scratch),
            patch.object(constants, "ENDPOINT", hub.url),
            patch.object(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template),
        ):
            close_session()
            try:
                yield hub
            finally:
                close_session()


def both(pair: Pair, hub: LocalHub) -> Both:
    """Compare from the disk, then over the Hub."""
    places = [place(derive.folder(name)) for name in (pair.a, pair.b)]
    shown = [
        f"hf://zoo/{name}" + ("" if path.is_dir() else f"/{path.name}")
        for name, path in zip((pair.a, pair.b), places, strict=True)
    ]
    local = answered(str(places[0]), str(places[1]))
    hub.asked.clear()
    remote = answered(*shown)
    return Both(
        pair=pair.name,
        group=pair.group,
        relation=local["verdict"]["relation"],
        differences=tuple(differences(local, remote)),
        requests=len(hub.asked),
    )


def answered(a: str, b: str) -> dict[str, Any]:
    """The result as JSON, without what depends on where the sides lie; of a refusal its kind."""
    try:
        plain = to_json(compare(a, b, OPTIONS))
    except AuditError as error:
        return {"verdict": {"relation": f"refused: {type(error).__name__}"}}
    for side in ("a", "b"):
        plain[side] = {name: value for name, value in plain[side].items() if name not in SOURCES}
    plain.pop("run")
    return dict(plain)


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every field in which two plain values differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            yield from differences(one.get(name), other.get(name), f"{path}.{name}".removeprefix("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{number}]")
    elif one != other:
        yield path


def outcome(found: Sequence[Both], notes: Sequence[str] = ()) -> Outcome:
    """What is told of all pairs."""
    apart = [each for each in found if each.differences]
    touched = Counter(name for each in apart for name in VERDICT if _touches(each, name))
    groups = sorted({each.group for each in found})
    checks = [
        Check(
            name=f"{name} not the same over the Hub",
            observed=f"{touched[name]} of {len(found)}",
            required="0",
            passed=touched[name] == 0,
        )
        for name in VERDICT
    ]
    checks.append(
        Check(
            name="any other field but places, bytes and seconds",
            observed=f"{len(apart)} of {len(found)}",
            required="0",
            passed=not apart,
        )
    )
    return Outcome(
        part="hub",
        checks=checks,
        grids=[
            Grid(
                title="pairs compared both ways, by what the disk says",
                columns=("", "relation", "pairs", "differ", "requests"),
                rows=[
                    (group, relation, str(len(of)), str(sum(bool(each.differences) for each in of)), _most(of))
                    for group in groups
                    for relation in sorted({each.relation for each in found if each.group == group})
                    if (of := [each for each in found if (each.group, each.relation) == (group, relation)])
                ],
            ),
            Grid(
                title="pairs that differ",
                columns=("pair", "fields"),
                rows=[(each.pair, ", ".join(each.differences[:6])) for each in apart],
            ),
        ],
        notes=notes,
        data={"pairs": [asdict(each) for each in found]},
    )


def _touches(each: Both, field: str) -> bool:
    path = f"verdict.{field}"
    return any(name == path or name.startswith((f"{path}.", f"{path}[")) for name in each.differences)


def _most(found: Sequence[Both]) -> str:
    counts = [each.requests for each in found]
    return f"{min(counts)} to {max(counts)}"
