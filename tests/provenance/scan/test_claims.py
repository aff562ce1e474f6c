"""What models say of themselves, and how it fits what was found."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from fingerprints.adapters import open_model
from provenance.scan.card import parse_front_matter
from provenance.scan.claim import Claimed, check_claim
from provenance.scan.declaration import plain_name, read_declaration, same_model
from provenance.scan.derivative_class import DerivativeClass, derivative_class
from provenance.scan.licence import check_licence, licences
from tests.small_models import write_model


@pytest.mark.parametrize(
    ("declared", "relatives", "strangers", "claim"),
    [
        (["acme/base"], ["acme/base"], [], Claimed.CONFIRMED),
        (["Acme/Base"], ["other/x", "acme/base"], [], Claimed.CONFIRMED),
        (["acme/base"], ["other/x"], ["acme/base"], Claimed.CONTRADICTED),
        (["acme/base"], [], ["acme/base"], Claimed.CONTRADICTED),
        (["acme/base"], ["other/x"], ["other/y"], Claimed.UNVERIFIABLE),
        (["acme/base"], [], [], Claimed.UNVERIFIABLE),
        (["other/base"], [], ["acme/base"], Claimed.UNVERIFIABLE),
        ([], ["acme/base"], [], Claimed.UNDECLARED),
        ([], [], ["acme/base"], Claimed.NONE),
        (["acme/me"], [], [], Claimed.NONE),
        (["acme/me"], ["acme/me"], [], Claimed.NONE),
    ],
)
def test_claims(declared: list[str], relatives: list[str], strangers: list[str], claim: Claimed) -> None:
    assert check_claim(declared, target="acme/me", relatives=relatives, strangers=strangers) is claim


@pytest.mark.parametrize("name", ["acme/base", "https://huggingface.co/acme/base/", "hf://acme/base@main", "ACME/base"])
def test_names_of_one_model(name: str) -> None:
    assert same_model(name, "acme/base")
    assert same_model(name, "base")
    assert not same_model(name, "acme/base-2")
    assert not same_model(name, "other/base")


def test_every_source_of_a_declaration_is_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", seed=0)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "_name_or_path": "acme/loaded"}))
    card = "---\nbase_model: [acme/one, acme/one]\ntags: [x, 'base_model:quantized:acme/two', base_model:acme/one]\n"
    (folder / "README.md").write_text(card + "license: other\nlicense_name: Qwen-Research\n---\n# text: no\n")
    with open_model(folder) as checkpoint:
        found = read_declaration(checkpoint.origin)
    assert found.bases == ("acme/one", "acme/two", "acme/loaded")
    assert found.licence == "qwen-research"
    (folder / "config.json").write_text(json.dumps({"_name_or_path": "/home/me/out"}))
    (folder / "README.md").unlink()
    with open_model(folder) as checkpoint:
        found = read_declaration(checkpoint.origin)
    assert (found.bases, found.licence) == ((), None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# no front matter",
        "---\nnever: ended",
        "---\n[1, 2]\n---",
        "---\na: &x [*x]\nb: {unbalanced\n---",
        "---\n" + "[" * 20_000 + "\n---",
        "---\na: !!python/object/apply:os.system [true]\n- b\n---",
    ],
)
def test_hostile_cards_say_nothing(text: str) -> None:
    assert parse_front_matter(text) == {}


def test_front_matter_is_what_yaml_has_but_for_types() -> None:
    text = "license: no\nlist:\n- 1\n- a: b\n"
    assert parse_front_matter(f"---\n{text}---\nrest") == {"license": "no", "list": ["1", {"a": "b"}]}
    assert yaml.safe_load(text)["license"] is False


def test_names_without_the_site() -> None:
    assert plain_name(" https://hf.co/acme/base/ ") == "acme/base"
    assert plain_name("./here") == "./here"


def test_the_table_of_licences_is_sourced_and_its_dates_are_some() -> None:
    for name, licence in licences().items():
        assert name == name.casefold()
        assert licence.source.startswith("https://")
        assert licence.duties
        if licence.dated is not None:
            assert date(1988, 1, 1) <= date.fromisoformat(f"{licence.dated}-01-01"[:10]) <= date.today()


@pytest.mark.parametrize(
    ("declared", "base", "target", "agrees", "naming"),
    [
        ("llama3.1", "llama3.1", "acme/mine", True, True),
        ("apache-2.0", "llama3.1", "acme/Llama-mine", False, False),
        (None, "llama3", "acme/llama3-mine", None, False),
        (None, "llama3", "acme/llama-mine", None, True),
        ("qwen-license", "qwen", "x", True, False),
        ("mit", "my-own", "x", False, False),
        ("my-own", "MY-own", "x", True, False),
        ("mit", None, "x", None, False),
    ],
)
def test_licences(declared: str | None, base: str | None, target: str, agrees: bool | None, naming: bool) -> None:
    found = check_licence(declared, base, target)
    assert found.agrees is agrees
    assert any(duty.startswith("begin the name") for duty in found.duties) is naming


@pytest.mark.parametrize(
    ("relation", "kinds", "expected"),
    [
        ("identical", ["renamed"], DerivativeClass.UNMODIFIED),
        ("derived", ["quantised", "container"], DerivativeClass.MODIFIED),
        ("derived", ["fine_tune", "quantised"], DerivativeClass.FINE_TUNED),
        ("derived", ["component_reuse", "fine_tune"], DerivativeClass.COMBINED),
        ("derived", ["renamed"], None),
        ("common_origin", ["fine_tune"], None),
        ("independent", [], None),
    ],
)
def test_classes_of_derivatives(relation: str, kinds: list[str], expected: DerivativeClass | None) -> None:
    assert derivative_class(relation, kinds) is expected
