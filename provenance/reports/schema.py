"""The JSON Schema of a result's JSON, drawn from the dataclasses that it is made of.

`provenance/data/result.schema.json` is the published copy; a test holds the two together.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from typing import Any

from provenance.decoding import field_types
from provenance.result import SCHEMA_VERSION, Architecture, Claim, Kind, Result

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTIFIER = f"urn:provenance-auditor:schema:comparison:{SCHEMA_VERSION}"
_SCALARS = {int: "integer", float: "number", str: "string", bool: "boolean"}


def result_schema() -> dict[str, Any]:
    """The schema as plain data. Readers should ignore fields that it does not name: later versions may add some."""
    definitions: dict[str, Any] = {}
    root = _dataclass(Result, definitions)
    root["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    root["properties"]["claims"] = {"type": "object", "additionalProperties": _claim()}
    root["required"] = sorted({*root["required"], "schema_version"})
    return {
        "$schema": DIALECT,
        "$id": IDENTIFIER,
        "title": "Result of provenance compare",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema_of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, parameters = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return {}
    if origin in (typing.Union, types.UnionType):
        (inner,) = (each for each in parameters if each is not types.NoneType)
        return {"anyOf": [_schema_of(inner, definitions), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(parameters[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema_of(parameters[1], definitions)}
    if is_dataclass(kind):
        name = typing.cast("type", kind).__name__
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = _kind() if kind is Kind else _dataclass(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    if issubclass(kind, StrEnum):
        return {"enum": list(map(str, kind))}
    return {"type": _SCALARS[kind]}


def _dataclass(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    described = {field.name: _schema_of(field_types(kind)[field.name], definitions) for field in fields(kind)}
    if kind is Architecture:
        described["sizes"] = {"anyOf": [{"const": "equal"}, described["sizes"]]}
    required = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": described,
        "required": sorted(required),
    }


def _kind() -> dict[str, Any]:
    return {
        "type": "object",
        "description": " ".join((Kind.__doc__ or "").split()) + " Its parameters are further fields.",
        "properties": {"kind": {"type": "string"}, "evidence": {"type": "string"}, "packaging": {"type": "boolean"}},
        "required": ["evidence", "kind", "packaging"],
    }


def _claim() -> dict[str, Any]:
    return {
        "type": "object",
        "description": " ".join((Claim.__doc__ or "").split()),
        "properties": {"a": {}, "b": {}, "agrees": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}},
        "required": ["a", "agrees", "b"],
    }
