from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import stats

from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Origin
from fingerprints.fingerprint import Fingerprint, FingerprintCheckpoint, measure_fingerprints, open_model
from fingerprints.fingerprint.digests import equal_digests, value_digests
from fingerprints.fingerprint.measuring import spread_distance
from fingerprints.fingerprint.taking import take_fingerprint
from fingerprints.measurement import Measurement
from fingerprints.pairing import pair_parts
from tests.checkpoints import llama_shapes, write_values

SMALL = {"layers": 3, "hidden": 96, "mlp": 224, "heads": 4, "kv_heads": 2, "vocabulary": 128}
NOWHERE = Origin(reference="", path=Path(), format="fingerprint", shards=())


def drawn(folder: Path, seed: int, *, common: float = 0.0) -> Fingerprint:
    """A random Llama; `common` of its values' scale is shared by all that are drawn so."""
    own, shared = np.random.default_rng(seed), np.random.default_rng(99)
    tensors = {}
    for name, shape in llama_shapes(**SMALL).items():
        values = own.standard_normal(shape) + common * shared.standard_normal(shape)
        tensors[name] = (values if len(shape) > 1 else 1 + 0.1 * values).astype(np.float32)
    with open_model(write_values(folder / str(seed), tensors)) as checkpoint:
        return take_fingerprint(checkpoint, whole=False)


def measured(a: Fingerprint, b: Fingerprint) -> Measurement:
    anatomies = tuple(build_anatomy(FingerprintCheckpoint(each, NOWHERE)) for each in (a, b))
    return measure_fingerprints(pair_parts(*anatomies), anatomies, (a, b))


def test_p_values_of_strangers_are_uniform(tmp_path: Path) -> None:
    prints = [drawn(tmp_path, seed) for seed in range(16)]
    by_kind: dict[tuple[str, str], list[float]] = {}
    hits: list[tuple[int, int]] = []
    for one, other in pairwise(prints):
        for test in measured(one, other).tests:
            if test.scope == "group":
                by_kind.setdefault((test.signal, test.axis), []).append(stats.norm.sf(test.statistics.z))
                hits.append((test.statistics.hits, test.statistics.units))
    assert {key[0] for key in by_kind} == {"neuron_index", "residual_index"}
    for values in by_kind.values():
        assert stats.kstest(values, "uniform").pvalue > 1e-3
    mean = np.mean([count for count, _ in hits])
    assert abs(mean - 1) < 5 / np.sqrt(len(hits))


def test_units_in_common_are_found_in_every_group(tmp_path: Path) -> None:
    found = measured(drawn(tmp_path, 1, common=1.0), drawn(tmp_path, 2, common=1.0))
    groups = [test for test in found.tests if test.scope == "group" and "gains" not in test.subject]
    assert groups
    assert all(test.log10_p < -12 for test in groups)
    assert all(abs(test.statistics.effect - 0.5) < 0.15 for test in groups)


def test_digests_follow_values_through_casts() -> None:
    rng = np.random.default_rng(0)
    narrow = rng.standard_normal(1000).astype(np.float16)
    wide = narrow.astype(np.float32)
    other = wide + np.float32(1e-6) * rng.standard_normal(1000).astype(np.float32)
    digests = [value_digests([values], 8) for values in (narrow, wide, other)]
    assert equal_digests(digests[0], digests[1], "F16", "F32")
    assert equal_digests(digests[1], digests[1], "F32", "F32")
    assert not equal_digests(digests[1], digests[2], "F32", "F32")
    assert value_digests([wide[:300], wide[300:]], 8) == digests[1]


def test_spread_does_not_see_the_order() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.standard_normal(32)).astype(np.float32)
    assert spread_distance(x, np.sort(x[rng.permutation(32)])) == 0.0
    assert spread_distance(x, np.sort(rng.standard_normal(32)).astype(np.float32)) > 0.05
