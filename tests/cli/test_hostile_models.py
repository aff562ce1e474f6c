"""Models whose names, card and configuration attack whoever looks: every command, on every way out, stays inert."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import html5lib
import numpy as np
import pytest
from markdown_it import MarkdownIt
from safetensors.numpy import load_file, save_file

from cli.main import run

ROOT = Path(__file__).resolve().parents[2]
EVIL = "<script>alert(1)</script>\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u2066\u200b\u0085[bold]x[/]`|**![a](http://evil.example)"
LONG = EVIL + "n" * 10_000
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""What repaints a screen, turns the reading order or shows as nothing; a new line and a tab do neither."""


def model(folder: Path, seed: int, change: float = 0.0) -> Path:
    """`examples/base`, a little changed, under names of an attacker's choice."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, values in load_file(ROOT / "examples" / "base" / "model.safetensors").items():
        plain = values.astype(np.float32)
        tensors[f"{EVIL}.{name}"] = plain + np.float32(change * plain.std()) * rng.standard_normal(plain.shape).astype(
            "f4"
        )
    tensors["m" * 400 + "\u202e"] = rng.standard_normal((16, 16)).astype(np.float32)
    save_file(tensors, folder / "model.safetensors", metadata={EVIL: LONG, "format": "pt"})
    claims = {"model_type": EVIL, "_name_or_path": LONG, "architectures": [LONG], EVIL: EVIL, "hidden_size": 128}
    (folder / "config.json").write_text(json.dumps(claims))
    card = json.dumps(LONG)
    (folder / "README.md").write_text(f"---\nbase_model: {card}\nlicense: {card}\ntags: [{card}]\n---\n{EVIL}\n")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two relatives, called as badly as a file system allows."""
    folder = tmp_path_factory.mktemp("models")
    model(folder / f"a {EVIL.replace('/', ' ')[:60]}", 1)
    model(folder / f"b {EVIL.replace('/', ' ')[-60:]}", 2, change=0.02)
    return folder


@pytest.fixture(scope="module")
def pair(models: Path) -> list[str]:
    return sorted(str(path) for path in models.iterdir())


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command printed, none of it unseen."""

    def show(*words: str, codes: tuple[int, ...] = (0,)) -> str:
        assert run(words) in codes
        out, err = capsys.readouterr()
        for text in (out, err):
            assert not UNSEEN.search(text), words[0]
            assert max(map(len, text.splitlines()), default=0) < 20_000
        return out

    return show


@pytest.mark.slow
def test_comparisons_and_their_documents(pair: list[str], shown, tmp_path: Path) -> None:
    saved = tmp_path / "result.json"
    assert "(derived)" in shown("compare", *pair, "-v", "-o", str(saved))
    assert "derived" in shown("compare", *pair, "-q", "--evidence", str(tmp_path / "evidence"))
    assert "owned" in shown("inspect", pair[0], "-v")
    shown("inspect", pair[0], "--json")
    shown("render", str(saved), "--lang", "zh", "-v")
    shown("verify", str(tmp_path / "evidence"), "-v", "--lang", "zh")
    shown("verify", str(saved), "--json")
    shown("compare", "missing" + EVIL, pair[0], codes=(2,))
    pages = [shown("render", str(saved), "--format", "html", "--lang", language) for language in ("en", "zh")]
    for page in pages:
        tree = html5lib.parse(page, namespaceHTMLElements=False)
        scripts = [element.text or "" for element in tree.iter("script")]
        assert len(scripts) == 1
        assert "alert" not in scripts[0]
        assert not list(tree.iter("img"))
        assert "<script>alert(1)</script>" in "".join(tree.itertext())
        assert len(page) < 400_000
    markdown = shown("render", str(saved), "--format", "markdown")
    assert not re.search(
        "<(?:script|img|a) ?", MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    )
    for name in ("sarif", "cyclonedx", "in-toto", "json"):
        json.loads(shown("render", str(saved), "--format", name))


@pytest.mark.slow
def test_scans_lineages_and_libraries(models: Path, pair: list[str], shown, tmp_path: Path) -> None:
    database = str(tmp_path / "scan.db")
    shown("scan", str(models), "--library", str(models), "--results", database, "--workers", "threads")
    for form in ("table", "csv", "jsonl"):
        text = shown("results", database, "--format", form)
        assert "owned" in text
        if form == "jsonl":
            assert [json.loads(line)["state"] for line in text.splitlines()] == ["done", "done"]
    matrix = str(tmp_path / "matrix.json")
    shown("matrix", *pair, "-o", matrix)
    for source in (database, matrix):
        shown("tree", source)
        shown("tree", source, "--format", "json")
        ET.fromstring(shown("tree", source, "--format", "graphml").partition("\n")[2])
        dot = shown("tree", source, "--format", "dot")
        outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot)
        assert "script" not in outside
        assert re.fullmatch(r"[\w\s{}\[\];=,>-]*", outside)
    library = str(tmp_path / "library")
    shown("library", "add", pair[0], "--library", library)
    for words in (["list"], ["verify"]):
        shown("library", *words, "--library", library)
    shown("identify", pair[1], "--library", library, "-v")
    shown("identify", pair[1], "--library", library, "--json")
    shown("decompose", pair[1], "--parents", pair[0], pair[0], "-v", codes=(0, 2))
