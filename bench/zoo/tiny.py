"""`python -m bench.zoo.tiny`: many small nets of several architectures, trained independently, kept in the cache.

Every net has a random initialisation and a data order of its own. What the cache holds with the same recipe and an
intact file is kept; a run that was interrupted goes on with the nets that are missing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bench.zoo import cache
from bench.zoo.architectures import ARCHITECTURES, Architecture
from bench.zoo.cache import sha256
from bench.zoo.train import ends, generator, train

SEEDS = 24
AVERAGED = 20
"""Steps whose mean loss is recorded at either end."""

Record = dict[str, Any]


def folder(name: str) -> Path:
    """Where the nets of an architecture are."""
    return cache.root() / "zoo" / "tiny" / name


def path(name: str, seed: int) -> Path:
    """The checkpoint of one net."""
    return folder(name) / f"seed_{seed:02d}.safetensors"


def recipe(architecture: Architecture) -> Record:
    """What a net was trained with; a net of another recipe is trained anew."""
    return {**asdict(architecture.recipe), "dtype": str(architecture.dtype).removeprefix("torch.")}


def make(name: str, seed: int, steps: int | None = None) -> Record:
    """Train one net, write it and return its record. `steps` cuts the training short."""
    architecture = ARCHITECTURES[name]
    torch.set_num_threads(1)
    model = architecture.build(generator("tiny", name, seed, "init"))
    plan = architecture.recipe if steps is None else type(architecture.recipe)(steps=steps, rate=1e-3)
    losses = train(model, architecture.batch, plan, generator("tiny", name, seed, "order"))
    target = path(name, seed)
    save(model, architecture, target)
    first, last = ends(losses, min(AVERAGED, len(losses)))
    return {
        "seed": seed,
        "steps": len(losses),
        "first_loss": round(first, 4),
        "last_loss": round(last, 4),
        "sha256": sha256(target),
        "recipe": recipe(architecture),
    }


def save(model: nn.Module, architecture: Architecture, target: Path) -> None:
    """Write a net in its architecture's type."""
    weights = {
        key: (value.to(architecture.dtype) if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    save_file(weights, partial, metadata={"format": "pt"})
    partial.replace(target)


def restore(model: nn.Module, name: str, seed: int) -> None:
    """Give `model` the weights of a trained net."""
    present = model.state_dict()
    model.load_state_dict({key: value.to(present[key].dtype) for key, value in load_file(path(name, seed)).items()})


def manifest(name: str) -> dict[int, Record]:
    """Records of the nets of an architecture that are in the cache, intact and of the present recipe."""
    listed = folder(name) / "manifest.json"
    if not listed.exists():
        return {}
    present = json.loads(json.dumps(recipe(ARCHITECTURES[name])))
    records = {int(seed): record for seed, record in json.loads(listed.read_text()).items()}
    return {
        seed: record
        for seed, record in records.items()
        if record["recipe"] == present and path(name, seed).exists() and sha256(path(name, seed)) == record["sha256"]
    }


def nets(names: Iterable[str] = tuple(ARCHITECTURES), seeds: int = SEEDS, workers: int = 2) -> dict[str, list[Path]]:
    """Checkpoints by architecture, in the order of their seeds; those that are missing are trained."""
    names = list(names)
    records = {name: manifest(name) for name in names}
    missing = [(name, seed) for name in names for seed in range(seeds) if seed not in records[name]]
    if missing:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            jobs = {pool.submit(make, name, seed): name for name, seed in missing}
            for job in as_completed(jobs):
                record = job.result()
                records[jobs[job]][record["seed"]] = record
                _write(jobs[job], records[jobs[job]])
    return {name: [path(name, seed) for seed in range(seeds)] for name in names}


def _write(name: str, records: Mapping[int, Record]) -> None:
    partial = folder(name) / "manifest.partial"
    partial.write_text(json.dumps({str(seed): records[seed] for seed in sorted(records)}, indent=1) + "\n")
    partial.replace(folder(name) / "manifest.json")
    if ARCHITECTURES[name].config:
        (folder(name) / "config.json").write_text(json.dumps(ARCHITECTURES[name].config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="train the small nets that calibration compares")
    parser.add_argument("names", nargs="*", default=list(ARCHITECTURES), help="architectures; all by default")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    for name in arguments.names:
        start = time.monotonic()
        nets([name], workers=arguments.workers)
        records = manifest(name).values()
        first = sum(record["first_loss"] for record in records) / len(records)
        last = sum(record["last_loss"] for record in records) / len(records)
        size = max(path(name, record["seed"]).stat().st_size for record in records)
        print(
            f"{name:6} {len(records)} nets, loss {first:.2f} -> {last:.2f}, at most {size / 1000:.0f} kB each, "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
