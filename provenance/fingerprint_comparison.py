"""`compare` where one side or both are fingerprints.

A checkpoint that faces a fingerprint is looked at through its own. The tests are those of a comparison of weights, on
projected units; what needs the units themselves (maps, disguises, the shape of the change) is listed as not measured.
Related or not is said with the same rules; `identical` only where digests of all values are equal.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from fingerprints.alignment.alignment import differs_in_structure
from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint, Origin
from fingerprints.errors import UsageError
from fingerprints.fingerprint import Fingerprint, FingerprintCheckpoint, measure_fingerprints
from fingerprints.fingerprint.measuring import equality_of, spread_distance
from fingerprints.fingerprint.moved_units import most_moved
from fingerprints.fingerprint.taking import ROWS
from fingerprints.pairing import Pairing, pair_parts
from fingerprints.samples import SampleSettings
from provenance.architecture import describe_architecture
from provenance.claims import read_claims
from provenance.encoding import encode_evidence, encode_layers, encode_not_measured, encode_verdict
from provenance.fingerprinting import fingerprint_of
from provenance.judgement import Judgement, Ruling, judge
from provenance.kinds import component_reuse, dtype_cast, renamed
from provenance.medians import sure_median
from provenance.observation import Observation, Side
from provenance.options import Options, Progress
from provenance.result import Direction, Evidence, Kind, NotMeasured, Relation, Result, Run, rounded
from provenance.side import summarise_side
from provenance.strength import Strength, measure_strength
from provenance.thresholds import thresholds
from provenance.version import DISTRIBUTION, installed

RELATED = (Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN)
KINDS = (component_reuse.find, dtype_cast.find, renamed.find)
"""What a fingerprint can tell; the others need values."""
NEEDS_VALUES = (
    ("layer, width and expert maps", "structure that differs is compared as names and leading layers pair it"),
    ("disguise", "searches for permuted units and rotated bases need the weights"),
    ("kinds of change", "rank, grid, zeros and noise of a change need the weights"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Printed:
    """A fingerprint as one side of a comparison."""

    fingerprint: Fingerprint
    side: Side


def printed(fingerprint: Fingerprint, origin: Origin) -> Printed:
    """Anatomy and inventory of a fingerprint.

    Parameters
    ----------
    fingerprint : Fingerprint
        The evidence.
    origin : Origin
        Where it came from.
    """
    anatomy = build_anatomy(FingerprintCheckpoint(fingerprint, origin))
    dtypes: Counter[str] = Counter()
    for part in anatomy.parts.values():
        dtypes[part.info.stored_as] += part.info.size
    side = Side(origin=origin, anatomy=anatomy, inventory=fingerprint.inventory, dtypes=dict(sorted(dtypes.items())))
    return Printed(fingerprint=fingerprint, side=side)


def observe(a: Printed, b: Printed, *, alpha: float) -> tuple[Observation, Judgement]:
    """Measure two fingerprints and judge them.

    Parameters
    ----------
    a, b : Printed
        The two sides.
    alpha : float
        Level for corrected p-values.
    """
    pairing = pair_parts(a.side.anatomy, b.side.anatomy)
    prints = a.fingerprint, b.fingerprint
    if a.fingerprint.scheme != b.fingerprint.scheme or not (
        a.side.inventory.parameters and b.side.inventory.parameters
    ):
        pairing = replace(pairing, pairs=())
    measurement = measure_fingerprints(pairing, (a.side.anatomy, b.side.anatomy), prints)
    equalities = {item.pair.a.name: item.equality for item in measurement.tensors}
    if a.fingerprint.whole and b.fingerprint.whole:
        equalities |= {pair.a.name: equality_of(pair, *prints) for pair, _ in measurement.skipped}
    observed = Observation(
        a=a.side,
        b=b.side,
        pairing=pairing,
        measurement=measurement,
        equalities=equalities,
        alpha=alpha,
        sample=SampleSettings(rows=ROWS),
        undecided_renames=sum(pair.ambiguous for pair in pairing.pairs),
    )
    strength = measure_strength(observed)
    judgement = replace(judge(observed, _sure(observed, strength)), strength=strength)
    return observed, _limited(judgement, doubt(pairing, a, b))


def doubt(pairing: Pairing, a: Printed, b: Printed) -> str:
    """Why nothing found in fingerprints may mean nothing: what a search through the weights could still find.

    Parameters
    ----------
    pairing : Pairing
        The counterparts.
    a, b : Printed
        The two sides.

    Returns
    -------
    str
        Empty where the two sides are built alike, hold gains that no reordering makes those of the other, and no units
        that look like units of other numbers.
    """
    if differs_in_structure(a.side.anatomy, b.side.anatomy, pairing):
        return "layers, widths or experts differ in number, and maps of them need the weights"
    vectors = a.fingerprint.vector_of, b.fingerprint.vector_of
    one_sided = [pair for pair in pairing.pairs if _passed_over(a, pair.a.name) or _passed_over(b, pair.b.name)]
    met = {
        pair.a.name: spread_distance(vectors[0][pair.a.name].spread, vectors[1][pair.b.name].spread)
        for pair in pairing.pairs
        if pair.a.shape == pair.b.shape and pair.a.name in vectors[0] and pair.b.name in vectors[1]
    }
    elsewhere = {pair.a.name for pair in one_sided}, {pair.b.name for pair in one_sided}
    if not met or len(met) < max(len(side.keys() - away) for side, away in zip(vectors, elsewhere, strict=True)):
        return "gains or biases that one side has are missing or constant on the other, as folding leaves them"
    if rounded(sorted(met.values())[len(met) // 2]) < thresholds().alike_spread:
        return "sorted by size, their gains and biases are alike, as those of a copy in another order are"
    moved = most_moved(pairing, (a.side.anatomy, b.side.anatomy), (a.fingerprint, b.fingerprint))
    if moved >= thresholds().moved_units:
        return f"{moved} units look like units of other numbers, as those of a relative in another order do"
    return ""


def _sure(observed: Observation, strength: Strength) -> Strength:
    """The strength with no more agreement of gains and biases than the few that were sampled make sure of: a bound that
    their median over all layers is above, whatever its distribution, but for `sure_median`.
    """
    found = {kind: [value for value, _ in values] for kind, values in observed.rank_correlations.items()}
    return replace(strength, gains=sure_median(found["gain"]), biases=sure_median(found["bias"]))


def _passed_over(side: Printed, name: str) -> bool:
    """Whether a tensor was learned, and its layer is not in the sample, which depends on the grade."""
    seen = side.fingerprint.seen.get(name)
    return name in side.side.inventory.learned and (seen is None or not seen.sampled)


def _limited(judgement: Judgement, doubtful: str) -> Judgement:
    """Without digests of all values equal samples are no proof of identity; nothing found is none of independence
    where the weights could tell otherwise.
    """
    if judgement.ruling.relation is Relation.INDEPENDENT and doubtful:
        reason = f"the fingerprints show nothing in common, but {doubtful}; compare the checkpoints"
        ruling = Ruling(relation=Relation.INCONCLUSIVE, clause="fingerprints do not decide", reason=reason)
        return replace(judgement, ruling=ruling)
    if judgement.ruling.relation is not Relation.IDENTICAL or judgement.ruling.basis == "digest":
        return judgement
    clause = f"{judgement.ruling.clause}; the fingerprints hold no digests of all values"
    return replace(judgement, ruling=Ruling(relation=Relation.DERIVED, clause=clause, basis="weights"))


def compare_fingerprints(a: Checkpoint, b: Checkpoint, options: Options, progress: Progress) -> Result:
    """Compare two sides of which at least one is a fingerprint.

    Raises
    ------
    UsageError
        When an option needs the weights.
    CheckpointError
        When the other side cannot be read.
    """
    _refuse(options)
    started = time.monotonic()
    whole = any(isinstance(side, FingerprintCheckpoint) and side.fingerprint.whole for side in (a, b))
    affordable = [whole and not isinstance(side, FingerprintCheckpoint) for side in (a, b)]
    sides = [
        printed(fingerprint_of(side, whole=True if read else None, progress=progress), side.origin)
        for side, read in zip((a, b), affordable, strict=True)
    ]
    progress.stage("comparing fingerprints")
    observed, judgement = observe(sides[0], sides[1], alpha=options.alpha)
    kinds: tuple[Kind, ...] = tuple(kind for find in KINDS if (kind := find(observed, judgement)) is not None)
    direction = Direction.UNDIRECTED if judgement.ruling.relation in RELATED else None
    verdict = encode_verdict(observed, judgement, kinds, direction)
    summaries = [summarise_side(each.side, f"fingerprint:blake2b:{each.fingerprint.content}") for each in sides]
    return Result(
        a=summaries[0],
        b=summaries[1],
        architecture=describe_architecture(observed),
        verdict=replace(verdict, summary=f"{verdict.summary} From fingerprints."),
        claims=read_claims(observed.a, observed.b),
        evidence=_evidence(observed),
        layers=encode_layers(observed),
        not_measured=(*_needs_values(), *encode_not_measured(observed)),
        run=Run(
            bytes_read=a.bytes_read + b.bytes_read,
            bytes_total=a.bytes_total + b.bytes_total,
            seconds=time.monotonic() - started,
            version=installed(DISTRIBUTION),
            options={"method": sides[0].fingerprint.method, "alpha": options.alpha},
        ),
    )


def reference_of(path: str | Path, fingerprint: Fingerprint) -> Origin:
    """An origin for a fingerprint that is not opened as a file of its own."""
    return Origin(reference=str(path), path=Path(path), format="fingerprint", shards=(), config=fingerprint.claims)


def _evidence(observed: Observation) -> tuple[Evidence, ...]:
    found = encode_evidence(observed, observed.sample)
    return tuple(replace(each, method=f"{each.method}&fingerprint=v1") for each in found)


def _needs_values() -> tuple[NotMeasured, ...]:
    return tuple(NotMeasured(signal=name, subject="fingerprint", reason=reason) for name, reason in NEEDS_VALUES)


def _refuse(options: Options) -> None:
    """Options that ask for values, or for a part of the tensors."""
    asked = {
        "--full": options.full,
        "--thorough": options.thorough,
        "--rows": options.rows is not None,
        "--sample-seed": options.sample_seed != 0,
        "--subtree": options.subtree.a is not None or options.subtree.b is not None,
        "--map": bool(options.renames),
    }
    wanted = [option for option, given in asked.items() if given]
    if wanted:
        raise UsageError(
            f"{wanted[0]} needs the weights, and one side is a fingerprint",
            hint="give two checkpoints, or leave the option out",
        )
