"""Whatever is one file and one line: a file without its line is found here."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

import fingerprints.adapters
import fingerprints.layouts
import fingerprints.readers
import fingerprints.readers.packed
import fingerprints.signals
import provenance.kinds
from fingerprints.adapters.adapter import ADAPTERS
from fingerprints.layouts import LAYOUTS
from fingerprints.readers import READERS
from fingerprints.readers.packed import SCHEMES
from fingerprints.signals import SIGNALS
from provenance.kinds import KINDS

REGISTRIES: dict[str, tuple[ModuleType, tuple[object, ...], str]] = {
    "READERS": (fingerprints.readers, READERS, "recognises"),
    "SCHEMES": (fingerprints.readers.packed, SCHEMES, "unpack"),
    "LAYOUTS": (fingerprints.layouts, LAYOUTS, "find"),
    "ADAPTERS": (fingerprints.adapters, ADAPTERS, "holds"),
    "SIGNALS": (fingerprints.signals, SIGNALS, "of_matrix"),
}


def is_protocol(found: type) -> bool:
    return bool(getattr(found, "_is_protocol", False))


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_class_that_could_be_listed_is(name: str) -> None:
    package, listed, method = REGISTRIES[name]
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    ]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, method)
    }
    assert {type(each) for each in listed} <= found, f"{name} lists what {package.__name__} does not define"
    missing = sorted(
        f"{each.__module__}.{each.__name__}" for each in found - {type(e) for e in listed} if not is_protocol(each)
    )
    assert missing == [], f"add a line to {name} for {missing}"


def test_every_kind_is_listed() -> None:
    modules = [
        importlib.import_module(f"provenance.kinds.{info.name}")
        for info in pkgutil.iter_modules(provenance.kinds.__path__)
    ]
    missing = [module.__name__ for module in modules if getattr(module, "find", None) not in KINDS]
    assert missing == [], f"add a line to KINDS for {missing}"
