from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from cli.arguments import COMPARISON_SUFFIXES, FORMAT_HELP, PAGE_SUFFIXES
from fingerprints.errors import UsageError
from provenance.decomposition.result import Decomposition
from provenance.inspection import Inspection
from provenance.messages import LANGUAGES, messages
from provenance.reports.encoder import Encoder, Presentation
from provenance.reports.formats import ENCODERS, encoder_of, find_encoder
from provenance.reports.json import read_result
from provenance.result import Result
from tests.results import RESULTS, SAVED

OF_COMPARISONS = [each for each in ENCODERS if each.document is Result]


def usable(encoder: Encoder) -> Encoder:
    if encoder.format == "cyclonedx":
        pytest.importorskip("cyclonedx")
    return encoder


@pytest.mark.parametrize("encoder", OF_COMPARISONS, ids=lambda each: f"{each.format}@{each.version}")
@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_saved_results_become_every_document_the_same_way_each_time(path: Path, encoder: Encoder) -> None:
    result = read_result(path.read_text())
    for language in LANGUAGES:
        first, second = (usable(encoder).encode(result, Presentation(say=messages(language))) for _ in range(2))
        assert first == second
        assert len(first) > 500


@pytest.mark.parametrize("encoder", OF_COMPARISONS, ids=lambda each: f"{each.format}@{each.version}")
@pytest.mark.parametrize("name", sorted(RESULTS))
def test_no_document_holds_what_a_terminal_would_obey(name: str, encoder: Encoder) -> None:
    text = usable(encoder).encode(RESULTS[name](), Presentation())
    text.encode("utf-8")
    assert not set("\x1b\x07\u202e\u200b\ud800") & set(text)


def test_formats_are_found_by_name_and_version() -> None:
    for encoder in OF_COMPARISONS:
        assert find_encoder(f"{usable(encoder).format}@{encoder.version}", Result) is encoder
    assert find_encoder("json", Inspection).document is Inspection
    assert find_encoder("cyclonedx", Result).version == "1.6"


@pytest.mark.parametrize(
    ("name", "document"), [("pdf", Result), ("html@2", Result), ("sarif", Decomposition), ("", Result)]
)
def test_unknown_formats_are_refused_with_the_known_ones(name: str, document: type) -> None:
    with pytest.raises(UsageError) as error:
        find_encoder(name, document)
    assert "json@1" in error.value.hint


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("r.json", "json"),
        ("r.cdx.json", "cyclonedx"),
        ("r.intoto.json", "in-toto"),
        ("r.html", "html"),
        ("r.md", "markdown"),
        ("r.sarif", "sarif"),
        ("r.txt", None),
    ],
)
def test_the_longest_suffix_tells_the_format(name: str, format_: str | None) -> None:
    found = encoder_of(Path("folder") / name, Result)
    assert (found and found.format) == format_


def test_the_command_line_knows_the_suffixes_and_formats() -> None:
    assert set(COMPARISON_SUFFIXES) == {each.suffix for each in OF_COMPARISONS} - {""} | {".txt"}
    assert {each.suffix for each in ENCODERS if each.document is not Result} <= set(PAGE_SUFFIXES)
    assert all(each.format in FORMAT_HELP for each in OF_COMPARISONS)


def test_a_missing_library_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="cyclonedx-python-lib") as error:
        find_encoder("cyclonedx", Result)
    assert "pip install" in error.value.hint
    assert encoder_of(Path("r.html"), Result) is not None
