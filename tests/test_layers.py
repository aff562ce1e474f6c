"""Which package may know which: `cli`, then `provenance`, then `fingerprints`; and what each imports from outside."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("cli", "provenance", "fingerprints")
FACE = {"click", "rich", "typer"}
NETWORK = {"http", "httpx", "huggingface_hub", "requests", "socket", "urllib", "urllib3"}
HEAVY = {"huggingface_hub", "numpy", "scipy", "torch", "transformers"}
MODULES = {path: ast.parse(path.read_bytes()) for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))}


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level names that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.split(".")[0]


def forbidden(layer: str) -> set[str]:
    above = set(LAYERS[: LAYERS.index(layer)])
    return above | {"cli": set(), "provenance": FACE, "fingerprints": FACE | NETWORK}[layer] | {"tests", "bench"}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_what_lies_above_or_beside_it(layer: str) -> None:
    found = {
        str(path.relative_to(ROOT)): sorted(set(imported(tree)) & forbidden(layer))
        for path, tree in MODULES.items()
        if path.is_relative_to(ROOT / layer)
    }
    assert found, f"no modules in {layer}"
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("layer", ["provenance", "fingerprints"])
def test_only_the_face_prints(layer: str) -> None:
    prints = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in MODULES.items()
        if path.is_relative_to(ROOT / layer)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input")
    ]
    assert prints == []


def test_only_the_boundaries_of_a_run_and_of_a_target_catch_everything() -> None:
    broad = [
        str(path.relative_to(ROOT))
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert broad == ["cli/main.py", "provenance/jobs/worker.py"]


def test_the_import_contracts_hold() -> None:
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_starting_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, json, cli.main; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    modules = set(json.loads(done.stdout))
    assert "cli.main" in modules
    assert modules & HEAVY == set()
