"""The pickle at the heart of every PyTorch checkpoint, and what is made of it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from fingerprints.checkpoint import Finding
from fingerprints.errors import CheckpointError, LimitExceeded, NotACheckpoint
from fingerprints.readers import torch_globals
from fingerprints.readers.pickle_machine import MAX_WORK, Load, PickleMachine
from fingerprints.readers.pickle_objects import Global, TensorView
from fingerprints.readers.pickle_stream import PickleStream
from fingerprints.readers.pickled_classes import is_dangerous, pickle_findings
from fingerprints.readers.quoting import listed, quoted
from fingerprints.readers.state_dicts import TooManyNodes, find_weights

SUFFIXES: Final = (".bin", ".pt", ".pth", ".ckpt", ".jit", ".pkl")
"""Suffixes that PyTorch checkpoints go by."""

HINT: Final = "the file is damaged or was not written by torch.save; download it again and compare its sha256"


def run_pickle(
    stream: io.BufferedIOBase, length: int, path: Path, *, load: Load = torch_globals.load, max_work: int = MAX_WORK
) -> tuple[Any, list[Global]]:
    """Return what the pickle in `stream` describes, and every class and function that it refers to."""
    machine = PickleMachine(PickleStream(stream, length, path, HINT), torch_globals.call, load, max_work)
    return machine.run(), list(machine.globals)


def weights(
    root: object, names: Iterable[Global], path: Path, shard: str
) -> tuple[Mapping[str, Mapping[str, TensorView]], list[Finding]]:
    """Return the sets of tensors that a pickle holds, and what is odd about it.

    Raises
    ------
    NotACheckpoint
        When there are no tensors in it.
    """
    try:
        found = find_weights(root)
    except TooManyNodes as error:
        raise LimitExceeded(
            f"the objects in {quoted(str(path))} refer to each other in more than {error.args[0]} ways",
            path=path,
            hint=HINT,
            limit=int(error.args[0]),
        ) from None
    findings = pickle_findings(names, shard)
    if not found:
        raise _no_weights(path, list(names))
    return found, findings


def _no_weights(path: Path, names: list[Global]) -> CheckpointError:
    dangerous = [name.qualified for name in names if is_dangerous(name)]
    if dangerous:
        return NotACheckpoint(
            f"{quoted(str(path))} holds no weights, but refers to {listed(dangerous)}, which was not run",
            path=path,
            hint="do not load this file with torch.load or pickle; report it to where it came from",
        )
    others = [name.qualified for name in names if not torch_globals.is_known(name)]
    named = f"; it refers to {len(others)} other classes: {listed(others, 4)}" if others else ""
    return NotACheckpoint(
        f"{quoted(str(path))} is a pickle that holds 0 tensors of weights{named}",
        path=path,
        hint="give the file that holds the weights, not training arguments or the state of an optimizer",
    )
