"""Compare open-weight models: were the weights of one derived from the other?

    from provenance import compare
    result = compare("path/to/a", "path/to/b")
    result.verdict.relation

Public names are loaded on first use, so that `import provenance` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provenance.comparison import compare
    from provenance.decomposition.decompose import decompose
    from provenance.decomposition.options import DecomposeOptions
    from provenance.decomposition.result import Decomposition
    from provenance.inspection import inspect
    from provenance.options import Options, Sided
    from provenance.result import Relation, Result, to_json

_HOMES = {
    "compare": "provenance.comparison",
    "decompose": "provenance.decomposition.decompose",
    "DecomposeOptions": "provenance.decomposition.options",
    "Decomposition": "provenance.decomposition.result",
    "inspect": "provenance.inspection",
    "Options": "provenance.options",
    "Sided": "provenance.options",
    "Relation": "provenance.result",
    "Result": "provenance.result",
    "to_json": "provenance.result",
}

__all__ = [
    "DecomposeOptions",
    "Decomposition",
    "Options",
    "Relation",
    "Result",
    "Sided",
    "compare",
    "decompose",
    "inspect",
    "to_json",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'provenance' has no attribute {name!r}")
