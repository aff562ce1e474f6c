"""From the JSON of a result back to the result, so that what was saved once can be shown in every way.

A document is as little trusted as a checkpoint: every field is checked against the type that the dataclass gives it.
Fields that a later version added take their defaults; fields that this version does not know are left out.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from fingerprints.errors import UsageError
from provenance.result import Kind, Result

GREATEST = 2**63
"""No count, size or position of a checkpoint is as large."""
_DEEPEST = 32


def from_json(plain: Mapping[str, Any]) -> Result:
    """The result whose JSON is `plain`: `from_json(to_json(r))` has the same JSON again.

    Raises
    ------
    UsageError
        When a field is missing, of another type or out of range; `message` names it.
    """
    version = plain.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or version not in DECODERS:
        raise _refusal("schema_version", f"is none of {', '.join(map(str, DECODERS))}")
    return DECODERS[version](plain)


def _from_version_1(plain: Mapping[str, Any]) -> Result:
    claims = plain.get("claims", {})
    architecture = plain.get("architecture")
    if not isinstance(claims, Mapping):
        raise _refusal("claims", "is no object")
    listed = [{"name": name, **_object(claim, f"claims.{name}")} for name, claim in claims.items()]
    changed = {**plain, "claims": listed}
    if isinstance(architecture, Mapping) and architecture.get("sizes") == "equal":
        changed["architecture"] = {**architecture, "sizes": []}
    result: Result = _decoded(Result, changed, "")
    return result


DECODERS: Mapping[int, Callable[[Mapping[str, Any]], Result]] = {1: _from_version_1}
"""One decoder for each `schema_version` that was ever written."""


@cache
def field_types(cls: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields, resolved."""
    return typing.get_type_hints(cls)


def _decoded(kind: Any, plain: Any, place: str) -> Any:
    origin, parameters = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _plain(plain, place, _DEEPEST)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (each for each in parameters if each is not types.NoneType)
        return None if plain is None else _decoded(inner, plain, place)
    if origin is tuple:
        if not isinstance(plain, list):
            raise _refusal(place, "is no list")
        return tuple(_decoded(parameters[0], item, f"{place}[{index}]") for index, item in enumerate(plain))
    if origin is Mapping:
        return {key: _decoded(parameters[1], item, f"{place}.{key}") for key, item in _object(plain, place).items()}
    if kind is Kind:
        return _kind(_object(plain, place), place)
    if is_dataclass(kind):
        return _dataclass(kind, _object(plain, place), place)
    return _scalar(kind, plain, place)


def _dataclass(kind: Any, plain: Mapping[str, Any], place: str) -> Any:
    values = {}
    for field in fields(kind):
        inner = f"{place}.{field.name}" if place else field.name
        if field.name in plain:
            values[field.name] = _decoded(field_types(kind)[field.name], plain[field.name], inner)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _refusal(inner, "is missing")
    return kind(**values)


def _kind(plain: Mapping[str, Any], place: str) -> Kind:
    """Parameters stand beside the other fields."""
    own = {"kind": str, "evidence": str, "packaging": bool}
    if "kind" not in plain:
        raise _refusal(f"{place}.kind", "is missing")
    values = {name: _scalar(own[name], plain[name], f"{place}.{name}") for name in own if name in plain}
    parameters = {key: _plain(item, f"{place}.{key}", _DEEPEST) for key, item in plain.items() if key not in own}
    return Kind(**values, parameters=parameters)


def _scalar(kind: Any, plain: Any, place: str) -> Any:
    if issubclass(kind, StrEnum):
        if plain not in list(kind):
            raise _refusal(place, f"is none of {', '.join(kind)}")
        return kind(plain)
    accepted: tuple[Any, ...] = (int, float) if kind is float else (kind,)
    if not isinstance(plain, accepted) or (isinstance(plain, bool) and kind is not bool):
        raise _refusal(place, f"is no {_WORDS[kind]}")
    if kind in (int, float):
        _check_range(plain, place)
    return float(plain) if kind is float else plain


def _plain(value: Any, place: str, depth: int) -> Any:
    """Data of any shape, as long as it can be shown."""
    if not depth:
        raise _refusal(place, f"is nested deeper than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        return {key: _plain(item, f"{place}.{key}", depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{place}[{index}]", depth - 1) for index, item in enumerate(value)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_range(value, place)
    return value


def _check_range(value: float, place: str) -> None:
    if not math.isfinite(value) if isinstance(value, float) else abs(value) >= GREATEST:
        raise _refusal(place, "is a number out of range")


def _object(plain: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(plain, Mapping):
        raise _refusal(place, "is no object")
    return plain


def _refusal(place: str, what: str) -> UsageError:
    shown = place if len(place) <= 100 else f"{place[:60]}...{place[-37:]}"
    return UsageError(f"not a result of a comparison: {shown!a} {what}", hint="give an unchanged result")


_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
