from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

import provenance.inspection
from provenance.options import Options
from provenance.result import Result
from tests.inspections import inspection

Answer = Result | BaseException
Calls = list[tuple[str, str, Options]]


@pytest.fixture
def compare_gives(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], Calls]:
    """Replace the comparison by one that returns or raises the given answer; returns the list of its calls."""

    def install(answer: Answer) -> Calls:
        calls: Calls = []

        def compare(a: str, b: str, options: Options, progress: object) -> Result:
            calls.append((a, b, options))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setitem(sys.modules, "provenance.comparison", SimpleNamespace(compare=compare))
        return calls

    return install


@pytest.fixture
def inspect_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the inspection by a hand-made one."""
    monkeypatch.setattr(provenance.inspection, "inspect", lambda model, *, variant=None: inspection(), raising=False)
