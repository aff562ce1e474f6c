from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.errors import UsageError
from provenance.options import Options, Sided
from provenance.recording import record, recorded_options
from provenance.reports.json import encode, read_result
from tests.results import SAVED, derived

names = st.none() | st.text(max_size=5)
options = st.builds(
    Options,
    rows=st.integers(8, 4096),
    layers=st.integers(1, 100),
    full=st.booleans(),
    spectrum=st.booleans(),
    thorough=st.booleans(),
    sample_seed=st.integers(0, 100),
    time_limit=st.none() | st.integers(1, 100).map(float),
    subtree=st.builds(Sided, a=names, b=names),
    variant=st.builds(Sided, a=names, b=names),
    renames=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3),
    device=st.sampled_from(["cpu", "cuda"]),
)


@given(options)
def test_recorded_options_are_the_options(given_options: Options) -> None:
    recorded = record(given_options, rows=given_options.rows or 0, whole=False, device=given_options.device, threads=2)
    base = derived()
    saved = read_result(encode(replace(base, run=replace(base.run, options=recorded))))
    assert recorded_options(saved) == given_options


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_options_of_earlier_versions_can_be_used(path: Path) -> None:
    result = read_result(path.read_text())
    found = recorded_options(result)
    assert found.rows == result.run.options["rows"]
    assert found.full == result.run.options["full"]
    assert found.alpha == result.verdict.alpha


@pytest.mark.parametrize(
    "recorded",
    [
        {"rows": 0},
        {"rows": "all"},
        {"layers": True},
        {"full": "yes"},
        {"sample_seed": -1},
        {"time_limit": 0},
        {"subtree": {"a": 3}},
        {"renames": {"x": None}},
        {"device": 1},
    ],
)
def test_what_no_option_takes_is_refused(recorded: dict[str, object]) -> None:
    base = derived()
    with pytest.raises(UsageError, match=next(iter(recorded))):
        recorded_options(replace(base, run=replace(base.run, options=json.loads(json.dumps(recorded)))))
