from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from cli.main import run
from cli.render.recipe import as_yaml
from tests.checkpoints import write_values

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def merge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.7 of the base and 0.3 of another child of it."""
    folder = tmp_path_factory.mktemp("merge")
    base = {name: each.astype(np.float32) for name, each in load_file(EXAMPLES / "base" / "model.safetensors").items()}
    rng = np.random.default_rng(0)
    child = {name: each + 0.01 * rng.standard_normal(each.shape).astype(np.float32) for name, each in base.items()}
    write_values(folder / "child", child)
    write_values(
        folder / "merge", {name: np.float32(0.7) * base[name] + np.float32(0.3) * child[name] for name in base}
    )
    return folder


def arguments(merge: Path) -> list[str]:
    return ["decompose", str(merge / "merge"), "--parents", str(EXAMPLES / "base"), str(merge / "child")]


def test_json_holds_weights_intervals_method_residual_and_curves(merge: Path, capsys) -> None:
    assert run([*arguments(merge), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert (found["schema_version"], found["method"], found["outcome"]) == (1, "linear", "merged")
    assert [parent["name"] for parent in found["parents"]] == [str(EXAMPLES / "base"), str(merge / "child")]
    for parent, weight in zip(found["parents"], (0.7, 0.3), strict=True):
        assert parent["weight"] == pytest.approx(weight, abs=1e-4)
        low, high = parent["interval"]
        assert low <= weight <= high
    assert found["residual"] < 1e-6
    assert [each["layer"] for each in found["per_layer"]] == [0, 1, 2, 3, None]
    assert found["run"]["bytes_read"] > 0


def test_the_report_says_it_in_words(merge: Path, tmp_path: Path, capsys) -> None:
    assert run([*arguments(merge), "-v", "-o", str(tmp_path / "report.txt")]) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "report.txt").read_text() == out
    for words in ("M is a merge of these parents", "linear", "95 % interval", "Recipe", "merge_method"):
        assert words in out


def test_quiet_is_one_line(merge: Path, capsys) -> None:
    assert run([*arguments(merge), "-q"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("merged method=linear weights=0.7,0.3 residual=")
    assert out.count("\n") == 1


def test_strangers_explain_nothing(merge: Path, capsys) -> None:
    words = ["decompose", str(EXAMPLES / "stranger"), "--parents", str(EXAMPLES / "base"), str(EXAMPLES / "tuned")]
    assert run(words) == 0
    assert "No combination of these parents explains M" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        "decompose",
        "decompose m",
        "decompose m p1 p2",
        "decompose m --parents p1",
        "decompose m --parents p1 p2 p3 p4 p5 p6 p7 p8 p9",
        "decompose m --parents p1 p2 --rows 7",
        "decompose m --parents p1 p2 --layers 0",
        "decompose m --parents p1 p2 --sample-seed -1",
        "decompose m --parents p1 p2 -q -v",
        "decompose m --parents p1 p2 -o merge.yml",
        "decompose m --parents no-such-file nor-this",
    ],
)
def test_a_mistake_ends_with_2_an_error_and_a_hint(capsys, words: str) -> None:
    assert run(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]


def test_a_recipe_is_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    recipe = {
        "merge_method": "slerp",
        "models": [{"model": 'odd: "name" #1'}, {"model": "- b", "parameters": {"weight": 0.5}}],
        "parameters": {"t": [{"filter": "mlp", "value": [0.0, 1.0]}, {"value": 0.5}], "normalize": True},
        "slices": [{"sources": [{"model": "x", "layer_range": [0, 3]}]}],
    }
    assert yaml.safe_load("\n".join(as_yaml(recipe))) == recipe
