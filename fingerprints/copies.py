"""Groups of one checkpoint that are copies of one another (upcycled experts, duplicated layers).

Two such groups are not two independent looks at a pair of models, so they are tested as one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.groups import COPIES
from fingerprints.samples import PairSample

SKETCH_ROWS = 64
SKETCH_COLUMNS = 256
Floats32 = npt.NDArray[np.float32]


class CopyFinder:
    """Keeps a small sketch of each neuron group and compares those of one shape."""

    def __init__(self) -> None:
        self._sketches: dict[tuple[str, str | None, int], list[tuple[str, Floats32]]] = defaultdict(list)

    def add(self, sample: PairSample) -> None:
        """Remember one tensor of a group of hidden units."""
        for axis in sample.plan.tests:
            if axis.kind == "neuron" and axis.axis == 0 and sample.pair.a.role in ("ffn_gate", "ffn_up"):
                for side, values in (("a", sample.a), ("b", sample.b)):
                    flat = np.ascontiguousarray(values[0, :SKETCH_ROWS, :SKETCH_COLUMNS, 0]).ravel()
                    self.add_units(side, sample.pair.a.role, axis.group, flat)

    def add_units(self, side: str, role: str | None, group: str, units: npt.NDArray[Any]) -> None:
        """Remember the units of a group on one side, as one flat vector."""
        norm = float(np.linalg.norm(units))
        if np.isfinite(norm) and norm > 0:
            self._sketches[side, role, len(units)].append((group, (units / norm).astype(np.float32)))

    def copies(self) -> list[tuple[str, str]]:
        """Pairs of group names whose units agree with cosine above 0.5 inside one checkpoint."""
        found: list[tuple[str, str]] = []
        for sketches in self._sketches.values():
            names = [name for name, _ in sketches]
            vectors = np.stack([vector for _, vector in sketches])
            alike = np.argwhere(np.triu(vectors @ vectors.T, k=1) > COPIES)
            found += [(names[i], names[j]) for i, j in alike if names[i] != names[j]]
        return found
