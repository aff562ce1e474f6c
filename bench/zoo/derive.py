"""`python -m bench.zoo.derive`: makes the derivatives of the zoo, in the cache, each with its truth.

A derivative is kept while the code that makes it and its parents are what they were, so that an interrupted run goes
on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import multiprocessing
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from bench.zoo import bases, cache
from bench.zoo.cache import sha256
from bench.zoo.derivatives import DERIVATIONS
from bench.zoo.derivatives.derivation import Truth

RECORD = "truth.json"
ZOO = "bench.zoo"


def folder(name: str) -> Path:
    """Where a base or a derivative is."""
    if name in bases.BASES:
        return bases.BASES[name].folder
    return cache.root() / "zoo" / "derivatives" / name


def origin(name: str) -> str:
    """The base that a derivative goes back to by its first parents."""
    while name not in bases.BASES:
        name = DERIVATIONS[name].parents[0]
    return name


def family(name: str) -> str:
    """The family of a base or a derivative."""
    return bases.BASES[origin(name)].family


def truth(name: str) -> Truth:
    """The recorded truth of a derivative that has been made."""
    return Truth(**cache.record((folder(name) / RECORD).read_text())["truth"])


def make(name: str) -> float:
    """Make one derivative, whose parents are there; returns the seconds it took."""
    torch.set_num_threads(1)
    derivation = DERIVATIONS[name]
    start = time.monotonic()
    target = folder(name)
    partial = target.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    found = derivation.make([folder(parent) for parent in derivation.parents], partial)
    record = {"truth": asdict(found), "recipe": recipe(name), "files": digests(partial)}
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return time.monotonic() - start


def recipe(name: str) -> dict[str, Any]:
    """What decides a derivative's bytes: the source of the code that makes it, and its parents' files."""
    derivation = DERIVATIONS[name]
    code = {module.__name__: inspect.getsource(module) for module in modules(inspect.getmodule(derivation.make))}
    return {
        "code": hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest(),
        "parents": {parent: digests(folder(parent)) for parent in derivation.parents},
    }


def modules(module: ModuleType | None) -> set[ModuleType]:
    """A module of the zoo, and those that it takes anything from, at any remove."""
    found: set[ModuleType] = set()
    waiting = {module}
    while waiting:
        each = waiting.pop()
        if each is None or each in found or not each.__name__.startswith(f"{ZOO}."):
            continue
        found.add(each)
        waiting |= {value if inspect.ismodule(value) else inspect.getmodule(value) for value in vars(each).values()}
    return found


def made(name: str) -> bool:
    """Is the derivative there, whole and of its present recipe?"""
    listed = folder(name) / RECORD
    if not listed.exists() or not all(parent in bases.BASES or made(parent) for parent in DERIVATIONS[name].parents):
        return False
    record = json.loads(listed.read_text())
    return record["recipe"] == recipe(name) and record["files"] == digests(folder(name))


def with_parents(names: Iterable[str]) -> list[str]:
    """The named derivatives and all derivatives that they come from, parents first."""
    ordered: dict[str, None] = {}
    for name in names:
        if name not in bases.BASES:
            ordered |= dict.fromkeys([*with_parents(DERIVATIONS[name].parents), name])
    return list(ordered)


def build(names: Iterable[str] = tuple(DERIVATIONS), workers: int = 2) -> Mapping[str, Exception]:
    """Make the derivatives that are missing; returns the errors of those that could not be made."""
    waiting = [name for name in with_parents(names) if not made(name)]
    failed: dict[str, Exception] = {}
    running: dict[Future[float], str] = {}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        while waiting or running:
            pending = {*waiting, *running.values()}
            for name in [name for name in waiting if not pending & {*DERIVATIONS[name].parents}]:
                waiting.remove(name)
                if lost := [parent for parent in DERIVATIONS[name].parents if parent in failed]:
                    failed[name] = RuntimeError(f"{lost[0]} could not be made")
                else:
                    running[pool.submit(make, name)] = name
            for job in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(job)
                error = job.exception()
                if isinstance(error, Exception):
                    failed[name] = error
                print(f"{name:40} {f'{job.result():.1f} s' if error is None else error!r}", file=sys.stderr, flush=True)
    return failed


def digests(place: Path) -> dict[str, str]:
    """sha256 of every file of a checkpoint, by its path in the folder."""
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.name != RECORD)
    return {str(path.relative_to(place)): sha256(path) for path in files}


def main() -> int:
    parser = argparse.ArgumentParser(description="make the derivatives of the zoo")
    parser.add_argument("names", nargs="*", default=list(DERIVATIONS), help="derivatives; all by default")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    failed = build(arguments.names, arguments.workers)
    for name, error in failed.items():
        print(f"{name} could not be made: {error!r}", file=sys.stderr)
    print(f"{len(arguments.names) - len(failed)} derivatives in {folder('.')}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
