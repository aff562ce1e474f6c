"""One type for the values of all tensors that are stored in one type."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fingerprints.values import PRECISION
from provenance.decomposition.noise import noise_of
from provenance.decomposition.samples import Sample


def with_common_types(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with the type that most values of one stored type show, where a tensor shows a narrower one.

    A small tensor that a merge left alone may hold what its parents rounded, in a file of wider numbers.
    """
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        if sample.dtype is not None:
            seen[sample.standing.part.info.dtype][sample.dtype] += sample.count
    found = []
    for sample in samples:
        if sample.dtype is not None:
            common = max(seen[sample.standing.part.info.dtype].items(), key=lambda item: (item[1], item[0]))[0]
            if PRECISION[common] > PRECISION[sample.dtype]:
                noise = noise_of(np.abs(sample.columns).max(axis=0), common, None)
                sample = replace(sample, dtype=common, noise=noise)
        found.append(sample)
    return found
