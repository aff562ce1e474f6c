"""Does a derivation survive noise? Fine-tunes whose every tensor gets Gaussian noise of a share of its deviation."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from bench.outcome import Check, Grid, Outcome
from bench.zoo import folder
from bench.zoo.cache import REPOSITORY
from bench.zoo.packages import package
from bench.zoo.train import generator
from provenance import compare

SHARES = (0.01, 0.1, 0.5, 1.0)


def fine_tunes() -> dict[str, tuple[Path, Path]]:
    """Base and fine-tune: the demo pair, and a published one."""
    published = package("rxnfp", "0.1.0") / "rxnfp" / "models" / "transformers"
    return {
        "demo": (REPOSITORY / "examples" / "base", REPOSITORY / "examples" / "tuned"),
        "rxnfp": (published / "bert_pretrained", published / "bert_ft"),
    }


def noisy(source: Path, target: Path, share: float) -> Path:
    """Write the checkpoint in folder `source` to `target` with noise of `share` of each tensor's deviation."""
    weights = folder.weights(source)
    changed = {}
    for name in sorted(weights):
        value = weights[name]
        if value.is_floating_point():
            exact = value.float()
            noise = torch.randn(exact.shape, generator=generator("noise", source.name, name, str(share)))
            value = (exact + share * exact.std(correction=0) * noise).to(value.dtype)
        changed[name] = value
    return folder.write(target, changed, folder.config(source))


def run() -> Outcome:
    """Compare each base with its noisy fine-tunes."""
    checks, rows, data = [], [], []
    for name, (base, tuned) in fine_tunes().items():
        for share in (0.0, *SHARES):
            with tempfile.TemporaryDirectory() as place:
                other = noisy(tuned, Path(place) / tuned.name, share) if share else tuned
                verdict = compare(str(base), str(other)).verdict
            relation = str(verdict.relation)
            label = f"{name}, {share:.0%} noise"
            checks.append(Check(name=label, observed=relation, required="derived", passed=relation == "derived"))
            effect = "-" if verdict.effect is None else f"{verdict.effect:.3f}"
            log10_p = "-" if verdict.log10_p is None else f"{verdict.log10_p:.1f}"
            kinds = ", ".join(kind.kind for kind in verdict.kinds if not kind.packaging)
            rows.append((label, relation, effect, log10_p, kinds))
            data.append({"pair": name, "share": share, "relation": relation, "effect": verdict.effect, "kinds": kinds})
    columns = ("fine-tune", "relation", "effect", "log10 p", "kinds")
    grid = Grid(title="fine-tunes under noise", columns=columns, rows=rows)
    return Outcome(part="noise", checks=checks, grids=[grid], data={"comparisons": data})
