"""How alike do independent models look once every search is forced to its end?

No exact test exists where both the order of neurons and the basis of the residual stream were searched. What counts
then is the share of a layer's neurons whose best counterparts by what they read and by what they pass on are the same.
Here it is measured on models that share no training run, in the best basis that the search finds for them, though it
would believe none. `python -m bench.agreement` writes `provenance/data/independents.json`, which reports quote.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file

from bench.calibration import RELATED
from bench.outcome import Check, Grid, Outcome
from bench.pairs import circle
from bench.zoo import bases, folder, tiny
from bench.zoo.architectures import ARCHITECTURES
from bench.zoo.cache import REPOSITORY
from bench.zoo.derivatives.disguises import EVERYTHING, PERMUTED, cast, disguise
from bench.zoo.families import FAMILIES
from bench.zoo.model import Model
from bench.zoo.symmetries import Symmetry, insert_layers, permute_channels
from bench.zoo.train import generator
from fingerprints.alignment.axis_map import identity_map
from fingerprints.alignment.basis import find_basis
from fingerprints.alignment.channels import match_channels
from fingerprints.alignment.disguise import rebased
from fingerprints.alignment.layer_units import layer_agreement
from fingerprints.alignment.stacks import StackPair, facing_stacks
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import Pair, PairBasis, pair_parts
from fingerprints.readers import open_checkpoint
from provenance import Options, compare
from provenance.thresholds import thresholds

TABLE = REPOSITORY / "provenance" / "data" / "independents.json"
COMMENT = (
    "Share of a layer's neurons, or channels, that independently trained models match alike by what they read and by "
    "what they pass on, every search forced to its end. Measured and written by `python -m bench.agreement`."
)
FEWEST_PAIRS = 150
TINY = ("llama", "bert", "gpt2", "conv")
"""Those of the tiny nets that have a residual stream, or convolutions."""
STEPS: dict[str, tuple[Symmetry, ...]] = {
    **{name: tuple(step for step in steps if step is not insert_layers) for name, steps in EVERYTHING.items()},
    "bert": PERMUTED,
    "resnet": (permute_channels,),
    "conv": (),
}
"""What disguises a family without changing its depth; the search for channels does not care for the order of any."""
CONVOLUTIONAL = ("resnet", "conv")
WHAT = ("neurons", "channels")
DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangers:
    """Two models of one shape that share no training run; of half of all pairs, B disguised."""

    models: str
    a: Path
    b: Path
    family: str
    disguised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What one pair reached: by layer, the share of neurons that are matched alike; and what the auditor says of it."""

    pair: Strangers
    width: int
    neurons: int
    layers: tuple[float, ...]
    relation: str

    @property
    def what(self) -> str:
        """What is matched."""
        return "channels" if self.pair.family in CONVOLUTIONAL else "neurons"

    @property
    def later(self) -> tuple[float, ...]:
        """Of towers without the first layer where there are more, as verdicts take them."""
        return self.layers if self.what == "channels" else self.layers[1:] or self.layers

    @property
    def median(self) -> float:
        """The upper median of the layers that count."""
        return sorted(self.later)[len(self.later) // 2]


def tiny_pairs(workers: int = 2) -> list[Strangers]:
    """Tiny nets around a circle; those that are not there yet are trained."""
    found = []
    for name, paths in tiny.nets(TINY, workers=workers).items():
        for place, (a, b) in enumerate(circle(paths)):
            disguised = place % 2 == 1 and bool(STEPS[name])
            found.append(Strangers(models=f"tiny {name}", a=a, b=b, family=name, disguised=disguised))
    return found


def base_pairs() -> list[Strangers]:
    """All pairs of the bases of a family that differ in seed, each twice."""
    found = []
    for name in (name for name in STEPS if name in FAMILIES):
        for one, other in combinations(bases.SEEDS, 2):
            sides = [bases.BASES[f"{name}-{seed}"].folder / folder.WEIGHTS for seed in (one, other)]
            found += [
                Strangers(models=name, a=sides[0], b=sides[1], family=name, disguised=each) for each in (False, True)
            ]
    return found


def model_of(file: Path, family: str) -> Model:
    """One of the models, in float64."""
    settings = folder.config(file.parent) or dict(ARCHITECTURES[family].config)
    tensors = {name: value.double() for name, value in load_file(file).items()}
    return Model(tensors=tensors, config=settings, names={name: name for name in tensors})


def measured(pair: Strangers) -> Shares:
    """The agreement of one pair."""
    with tempfile.TemporaryDirectory() as place:
        other = pair.b
        if pair.disguised:
            model = model_of(pair.b, pair.family)
            random = generator("agreement", pair.models, pair.a.parent.name, pair.a.name, pair.b.name)
            changed = cast(disguise(model, STEPS[pair.family], random), FAMILIES[pair.family].dtype)
            other = folder.write(Path(place) / "b", changed.tensors, {}) / folder.WEIGHTS
        return _shares(pair, other)


def _shares(pair: Strangers, other: Path) -> Shares:
    with open_checkpoint(pair.a) as a, open_checkpoint(other) as b:
        anatomies, checkpoints = (build_anatomy(a), build_anatomy(b)), (a, b)
        pairing = pair_parts(*anatomies)
        relation = compare(pair.a, other, Options(threads=1)).verdict.relation.value
        if pair.family in CONVOLUTIONAL:
            maps = match_channels(pairing, a, b, forced=True) or ()
            shares = tuple(round(each.agreement, DIGITS) for each in maps if each.agreement is not None)
            width = max(max(each.pair.a.shape[:2]) for each in maps)
            return Shares(pair=pair, width=width, neurons=0, layers=shares, relation=relation)
        (stacks,) = facing_stacks(*anatomies, pairing)
        basis = find_basis(stacks, anatomies, checkpoints, thorough=True, least=0.0)
        if basis is None:
            raise ValueError(f"{pair.a} and {pair.b} are in one basis, or have no matrices to find one by")
        anatomies, checkpoints, pairing = rebased(anatomies, checkpoints, pairing, {stacks.a.path: basis})
        (stacks,) = facing_stacks(*anatomies, pairing)
        tower = anatomies[0].towers[stacks.a.path]
        stream = identity_map(tower.residual)
        layers = []
        for layer in stacks.a.layers:
            shares = [layer_agreement(mlp, stream, *checkpoints) for mlp in _mlps(stacks, layer)]
            layers.append(round(float(np.mean([share for share in shares if share is not None])), DIGITS))
        return Shares(
            pair=pair,
            width=tower.residual,
            neurons=tower.neurons or 0,
            layers=tuple(layers),
            relation=relation,
        )


def _mlps(stacks: StackPair, layer: int) -> Iterator[list[Pair]]:
    """Counterparts on the neurons of one layer, of each expert by itself."""
    found: dict[int | None, list[Pair]] = {}
    for rest, part in stacks.a.layers[layer].items():
        other = stacks.b.layers[layer].get(stacks.rests.get(rest, rest))
        if other is not None and len(part.shape) == 2 and part.axes.count("residual") == part.axes.count("neuron") == 1:
            found.setdefault(part.expert, []).append(Pair(a=part, b=other, basis=PairBasis.ROLE))
    yield from found.values()


def table(found: Sequence[Shares]) -> dict[str, object]:
    """What is shipped: over all pairs of one sort the medians of layers, and for each kind of model one row for its
    first and one for its later layers, or one for the channels of a convolutional one.
    """
    return {
        "comment": COMMENT,
        "pairs": len(found),
        "disguised": sum(each.pair.disguised for each in found),
        "medians": {what: _summed([each.median for each in found if each.what == what]) for what in WHAT},
        "rows": [row for models in sorted({each.pair.models for each in found}) for row in rows(models, found)],
    }


def rows(models: str, found: Iterable[Shares]) -> Iterator[dict[str, object]]:
    """The rows of one kind of model."""
    own = [each for each in found if each.pair.models == models]
    channels = own[0].what == "channels"
    first, later = [each.layers[0] for each in own], [share for each in own for share in each.layers[1:]]
    for place, values in [("channels", first + later)] if channels else [("first", first), ("later", later)]:
        if values:
            sizes = {"width": own[0].width, "neurons": own[0].neurons}
            yield {"models": models, **sizes, "layer": place, "pairs": len(own), **_summed(values)}


def _summed(values: Sequence[float]) -> dict[str, object]:
    return {
        "count": len(values),
        "middle": round(float(np.median(values)), DIGITS),
        "of_99_percent": round(float(np.quantile(values, 0.99)), DIGITS),
        "most": max(values),
    }


def every() -> list[Shares]:
    """All pairs."""
    return [
        measured(pair) for pair in track([*tiny_pairs(), *base_pairs()], "agreement", console=Console(file=sys.stderr))
    ]


def run() -> Outcome:
    """Measure, and hold the shipped table against it."""
    found = every()
    made, shipped = table(found), json.loads(TABLE.read_text())
    limits = thresholds()
    most = {what: max(each.median for each in found if each.what == what) for what in WHAT}
    least = {"neurons": limits.agreement, "channels": limits.channel_agreement}
    related = [each for each in found if each.relation in RELATED]
    checks = [
        Check.at_least("independent pairs", len(found), FEWEST_PAIRS),
        Check(
            name="pairs called related",
            observed=f"{len(related)}",
            required="0",
            passed=not related,
        ),
        *(
            Check(
                name=f"largest median of layers, {what}",
                observed=f"{most[what]:.3f}",
                required=f"< {least[what] / 2}",
                passed=most[what] < least[what] / 2,
            )
            for what in WHAT
        ),
        Check(
            name="the shipped table is this one",
            observed="yes" if made == shipped else "no",
            required="yes",
            passed=made == shipped,
        ),
    ]
    columns = ("models", "width", "neurons", "layer", "pairs", "count", "middle", "of_99_percent", "most")
    shown = [tuple(str(row[column]) for column in columns) for row in made["rows"]]  # type: ignore[attr-defined]
    grid = Grid(title="neurons of strangers matched alike", columns=columns, rows=shown)
    notes = [f"called {each.relation}: {each.pair.a} and {each.pair.b}" for each in related]
    return Outcome(part="agreement", checks=checks, grids=[grid], notes=notes, data=made)


if __name__ == "__main__":
    TABLE.write_text(json.dumps(table(every()), indent=1) + "\n")
