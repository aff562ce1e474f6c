"""What pickles name is listed, and what can run code is told apart, after the published list of picklescan."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from picklescan.scanner import SafetyLevel, _unsafe_globals, scan_pickle_bytes
from safetensors.torch import save_file

from fingerprints.readers import open_checkpoint
from fingerprints.readers.pickle_imports import import_findings, imports_metadata
from fingerprints.readers.pickle_objects import Global
from fingerprints.readers.pickled_classes import is_dangerous
from provenance.inspection import inspect

PUBLISHED = [
    (module, name)
    for module, names in _unsafe_globals.items()
    for name in (["anything"] if names == "*" else [names] if isinstance(names, str) else sorted(names))
]
ORDINARY = [
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch", "FloatStorage"),
    ("torch.nn.modules.linear", "Linear"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("builtins", "set"),
    ("functools", "reduce"),
    ("logging", "Logger"),
    ("testing", "x"),
    ("osgeo", "x"),
]


class Runs:
    def __init__(self, function: Any, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(("module", "name"), PUBLISHED)
def test_what_picklescan_calls_dangerous_is(module: str, name: str) -> None:
    assert is_dangerous(Global(module, name))


@pytest.mark.parametrize(("module", "name"), ORDINARY)
def test_what_ordinary_checkpoints_name_is_not(module: str, name: str) -> None:
    assert not is_dangerous(Global(module, name))
    scanned = scan_pickle_bytes(_named(module, name), "x")
    assert all(each.safety is not SafetyLevel.Dangerous for each in scanned.globals)


def _named(module: str, name: str) -> io.BytesIO:
    return io.BytesIO(f"c{module}\n{name}\n.".encode())


@pytest.mark.parametrize("legacy", [False, True])
def test_an_ordinary_checkpoint_names_three(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"w": torch.ones(2, 3)}, path, _use_new_zipfile_serialization=not legacy)
    with open_checkpoint(path) as checkpoint:
        assert not checkpoint.origin.findings
        (found,) = import_findings(checkpoint.origin)
    assert found.code == "pickle-imports"
    assert found.subject == "pytorch_model.bin"
    assert found.message == (
        "the pickle names 3 classes and functions: 'collections.OrderedDict', 'torch.FloatStorage',"
        " 'torch._utils._rebuild_tensor_v2'; none was imported"
    )


def test_dangerous_names_come_first_and_are_in_the_inspection(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    weights = OrderedDict(w=torch.arange(12.0).reshape(3, 4), x=Runs(os.system, "false"), y=Runs(eval, "1"))
    torch.save(weights, path)
    findings = inspect(path).model.findings
    (imports,) = [found for found in findings if found.code == "pickle-imports"]
    assert "2 of which can run code ('__builtin__.eval', 'posix.system'): 'collections.OrderedDict'" in imports.message
    assert len([found for found in findings if found.code == "pickle-dangerous-import"]) == 2


def test_names_of_all_shards_are_one_finding(tmp_path: Path) -> None:
    for at, dtype in ((1, torch.float16), (2, torch.bfloat16)):
        torch.save({f"w{at}": torch.ones(2, 3, dtype=dtype)}, tmp_path / f"pytorch_model-0000{at}-of-00002.bin")
    with open_checkpoint(tmp_path) as checkpoint:
        (found,) = import_findings(checkpoint.origin)
    assert "4 classes" in found.message
    assert "'torch.BFloat16Storage', 'torch.HalfStorage'" in found.message


def test_metadata_of_another_format_is_not_taken_for_names(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(2)}, path, {"pickle imports of x": "posix\tsystem"})
    with open_checkpoint(path) as checkpoint:
        assert not import_findings(checkpoint.origin)


def test_names_are_escaped_and_bounded() -> None:
    names = [Global("a\tb\n\x1b", "\u202e" * 5000), *(Global("m", str(at)) for at in range(5000))]
    (text,) = imports_metadata(names, "x").values()
    assert text.isascii()
    assert all(line.count("\t") == 1 and len(line) < 3000 for line in text.split("\n"))
    assert len(text.split("\n")) == 1000
    assert not imports_metadata([], "x")
