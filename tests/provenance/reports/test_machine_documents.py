"""BOM, SARIF, statement and JSON against what others wrote about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import provenance
from provenance.reports import cyclonedx, in_toto, sarif
from provenance.reports.encoder import Presentation
from provenance.reports.json import encode, read_result
from provenance.reports.schema import result_schema
from provenance.result import Direction, Relation, Result
from tests.results import RESULTS, SAVED, derived, identical, independent, large, poisoned

CASES: dict[str, Callable[[], Result]] = {
    **RESULTS,
    **{path.stem: lambda path=path: read_result(path.read_text()) for path in SAVED},  # type: ignore[misc]
    "large": large,
    "long names": lambda: poisoned(derived(), "\ud800<script>\u202e" + "x" * 10_000),
}
CONTENT = "content:blake2b:" + "5f" * 32


def digested(result: Result) -> Result:
    return replace(result, a=replace(result.a, digest=CONTENT), b=replace(result.b, digest=CONTENT))


def test_the_published_schema_is_that_of_the_code() -> None:
    published = Path(provenance.__file__).parent / "data" / "result.schema.json"
    assert json.loads(published.read_text()) == result_schema()


@pytest.mark.parametrize("name", CASES)
def test_results_follow_the_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(result_schema())
    jsonschema.Draft202012Validator(result_schema()).validate(json.loads(encode(CASES[name]())))


@pytest.mark.parametrize(("place", "value"), [("verdict", {}), ("a", 3), ("architecture", None), ("schema_version", 2)])
def test_the_schema_refuses_what_is_no_result(place: str, value: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document = {**json.loads(encode(derived())), place: value}
    assert not jsonschema.Draft202012Validator(result_schema()).is_valid(document)


@pytest.mark.parametrize("version", ["1.6", "1.7"])
@pytest.mark.parametrize("name", CASES)
def test_bills_of_materials_follow_the_official_schema(name: str, version: str) -> None:
    pytest.importorskip("cyclonedx")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    write = {"1.6": cyclonedx.encode_1_6, "1.7": cyclonedx.encode_1_7}[version]
    text = write(digested(CASES[name]()), Presentation())
    assert JsonStrictValidator(SchemaVersion.from_version(version)).validate_str(text) is None
    assert json.loads(text)["specVersion"] == version


@pytest.mark.parametrize(
    ("relation", "direction", "place"),
    [
        (Relation.DERIVED, Direction.A_TO_B, "ancestors"),
        (Relation.DERIVED, Direction.B_TO_A, "descendants"),
        (Relation.DERIVED, Direction.UNDIRECTED, "variants"),
        (Relation.IDENTICAL, Direction.UNDIRECTED, "variants"),
        (Relation.COMMON_ORIGIN, Direction.A_TO_B, "variants"),
        (Relation.INDEPENDENT, None, None),
        (Relation.INCONCLUSIVE, None, None),
    ],
)
def test_a_stands_in_the_pedigree_of_b_where_the_weights_put_it(
    relation: Relation, direction: Direction | None, place: str | None
) -> None:
    pytest.importorskip("cyclonedx")
    base = digested(derived())
    verdict = replace(base.verdict, relation=relation, direction=direction)
    document = json.loads(cyclonedx.encode_1_6(replace(base, verdict=verdict), Presentation()))
    described = document["metadata"]["component"]
    pedigree = described["pedigree"]
    assert set(pedigree) == {"notes", place} - {None}
    assert described["hashes"] == [{"alg": "BLAKE2b-256", "content": "5f" * 32}]
    if place is not None:
        assert [kin["name"] for kin in pedigree[place]] == ["examples/base"]


def test_a_digest_of_headers_is_no_hash() -> None:
    pytest.importorskip("cyclonedx")
    base = derived()
    header = replace(base, b=replace(base.b, digest=CONTENT.replace("content", "header")))
    described = json.loads(cyclonedx.encode_1_6(header, Presentation()))["metadata"]["component"]
    assert "hashes" not in described
    assert {"name": "provenance:digest", "value": header.b.digest} in described["properties"]


@pytest.mark.parametrize("failing", [frozenset(), frozenset(Relation)])
@pytest.mark.parametrize("name", CASES)
def test_sarif_can_be_read_by_others(name: str, failing: frozenset[Relation]) -> None:
    models = pytest.importorskip("sarif_pydantic")
    text = sarif.encode(CASES[name](), Presentation(failing=failing))
    (run,) = models.Sarif.model_validate_json(text).runs
    (found,) = run.results
    assert run.tool.driver.rules[found.rule_index].id == found.rule_id == CASES[name]().verdict.relation


@pytest.mark.parametrize(
    ("result", "failing", "kind", "level"),
    [
        (derived, {Relation.DERIVED}, "fail", "error"),
        (derived, {Relation.IDENTICAL}, "pass", "none"),
        (derived, set(), "informational", "none"),
        (RESULTS["inconclusive"], {Relation.DERIVED}, "open", "none"),
        (RESULTS["inconclusive"], {Relation.INCONCLUSIVE}, "fail", "error"),
    ],
)
def test_only_a_forbidden_relation_is_a_breach(
    result: Callable[[], Result], failing: set[Relation], kind: str, level: str
) -> None:
    document = json.loads(sarif.encode(result(), Presentation(failing=frozenset(failing))))
    (found,) = document["runs"][0]["results"]
    assert (found["kind"], found["level"]) == (kind, level)
    assert document["runs"][0]["properties"]["policy"]["forbidden"] == sorted(failing)
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "examples/tuned"


@pytest.mark.parametrize("name", CASES)
def test_statements_can_be_read_by_others(name: str) -> None:
    statements = pytest.importorskip("in_toto_attestation.v1.statement")
    from google.protobuf import json_format
    from in_toto_attestation.v1 import statement_pb2

    message = json_format.Parse(in_toto.encode(digested(CASES[name]()), Presentation()), statement_pb2.Statement())
    statements.Statement.copy_from_pb(message).validate()
    assert [dict(subject.digest) for subject in message.subject] == [{"blake2b-content": "5f" * 32}] * 2


def test_a_statement_names_the_digest_of_the_file_that_it_is_about() -> None:
    source = b'{"as": "it lay on the disk"}'
    for presentation, expected in (
        (Presentation(source=source), source),
        (Presentation(), encode(identical()).encode()),
    ):
        statement = json.loads(in_toto.encode(identical(), presentation))
        assert statement["predicate"]["result"]["digest"] == {"sha256": hashlib.sha256(expected).hexdigest()}


def test_the_verdict_is_in_every_document() -> None:
    result = independent()
    for text in (
        sarif.encode(result, Presentation()),
        in_toto.encode(result, Presentation()),
        cyclonedx.encode_1_6(result, Presentation()) if pytest.importorskip("cyclonedx") else "",
    ):
        assert result.verdict.summary in json.dumps(json.loads(text))
