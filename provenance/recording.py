"""The options of a comparison as a result records them, and the options that repeat it.

What is recorded is what was used: `rows` resolved, `layers` as "all" where a small checkpoint was read whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fingerprints.errors import UsageError
from provenance.options import Options, Sided
from provenance.result import Result

_SWITCHES = ("full", "spectrum", "thorough")
_ALL_LAYERS = "all"


def record(options: Options, *, rows: int, whole: bool, device: str, threads: int) -> dict[str, Any]:
    """Every option that can change a number, and `threads`, which cannot."""
    return {
        "rows": rows,
        "layers": _ALL_LAYERS if whole else options.layers,
        "full": options.full,
        "spectrum": options.spectrum,
        "thorough": options.thorough,
        "sample_seed": options.sample_seed,
        "time_limit": options.time_limit,
        "subtree": asdict(options.subtree),
        "variant": asdict(options.variant),
        "renames": dict(options.renames),
        "device": device,
        "threads": threads,
    }


def recorded_options(result: Result) -> Options:
    """The options with which `result` can be had again; what an older result does not record takes its default.

    Raises
    ------
    UsageError
        When a recorded option has a value that no option takes.
    """
    recorded = result.run.options
    default = Options()
    layers = recorded.get("layers", default.layers)
    limit = recorded.get("time_limit")
    return Options(
        rows=None if recorded.get("rows") is None else _whole(recorded, "rows", 8),
        layers=default.layers if layers == _ALL_LAYERS else _whole(recorded, "layers", default.layers),
        **{name: _checked(recorded, name, bool, False) for name in _SWITCHES},
        alpha=_alpha(result.verdict.alpha),
        sample_seed=_whole(recorded, "sample_seed", default.sample_seed),
        time_limit=None if limit is None else _number(limit),
        subtree=_sided(recorded, "subtree"),
        variant=_sided(recorded, "variant"),
        renames=_names(recorded, "renames"),
        device=_checked(recorded, "device", str, default.device),
    )


def _checked(recorded: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = recorded.get(name, default)
    if not isinstance(value, kind):
        raise _refusal(name, value)
    return value


def _whole(recorded: Mapping[str, Any], name: str, default: int) -> int:
    value = recorded.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < (0 if name == "sample_seed" else 1):
        raise _refusal(name, value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise _refusal("time_limit", value)
    return float(value)


def _alpha(value: float) -> float:
    if not 0.0 < value < 1.0:
        raise _refusal("alpha", value)
    return value


def _names(recorded: Mapping[str, Any], name: str) -> dict[str, str]:
    found = _checked(recorded, name, Mapping, {})
    if not all(isinstance(value, str) for value in found.values()):
        raise _refusal(name, found)
    return dict(found)


def _sided(recorded: Mapping[str, Any], name: str) -> Sided:
    found = _checked(recorded, name, Mapping, {})
    sides = {side: found.get(side) for side in ("a", "b")}
    if not all(value is None or isinstance(value, str) for value in sides.values()):
        raise _refusal(name, found)
    return Sided(**sides)


def _refusal(name: str, value: Any) -> UsageError:
    return UsageError(
        f"the result records {name} as {value!a:.100}, which it cannot be", hint="give an unchanged result"
    )
