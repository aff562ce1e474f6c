from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fingerprints.errors import UsageError
from provenance.reports.json import decode, encode
from tests.inspections import inspection
from tests.results import RESULTS, derived, hostile, identical


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_what_is_encoded_can_be_decoded(name: str) -> None:
    text = encode(RESULTS[name]())
    assert text.isascii()
    assert text.endswith("}\n")
    plain = decode(text)
    assert plain["verdict"]["relation"] == RESULTS[name]().verdict.relation
    assert next(iter(plain)) == "schema_version"


def test_the_document_has_the_fields_of_the_schema() -> None:
    plain = decode(encode(derived()))
    assert list(plain) == [
        "schema_version",
        "a",
        "b",
        "architecture",
        "verdict",
        "claims",
        "evidence",
        "layers",
        "not_measured",
        "run",
        "tensors",
        "third",
    ]
    assert plain["verdict"]["kinds"][0]["relative_change"] == 0.0123
    assert decode(encode(identical()))["architecture"]["sizes"] == "equal"


def test_the_same_result_gives_the_same_text() -> None:
    assert encode(derived()) == encode(derived())


def test_hostile_names_survive_the_round_trip_as_escapes() -> None:
    text = encode(hostile())
    assert "\x1b" not in text
    assert decode(text)["a"]["reference"] == hostile().a.reference


def test_claims_may_hold_what_json_cannot() -> None:
    claims = decode(encode(inspection()))["claims"]
    assert claims["eps"] == "nan"
    assert decode(encode(derived()))["claims"]["rope_theta"]["b"] == "inf"


def test_a_measured_number_must_be_finite() -> None:
    base = derived()
    broken = replace(base, verdict=replace(base.verdict, effect=float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(broken)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"schema_version": 2}',
        '{"schema_version": true}',
        '{"schema_version": "1"}',
        "[" * 99999,
    ],
)
def test_what_is_not_a_result_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as error:
        decode(text)
    assert error.value.hint


def test_standard_json_reads_it() -> None:
    assert json.loads(encode(derived())) == decode(encode(derived()))
