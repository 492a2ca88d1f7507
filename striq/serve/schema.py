"""JSON schema of settings that are declared as dataclasses, and settings made from checked values."""

from __future__ import annotations

import types
from dataclasses import MISSING, field, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Settings = TypeVar("Settings")
TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
RULES = "rules"  # key in the metadata of a field: what its value must fulfil, in words of JSON schema


def setting(default: Any = MISSING, **rules: Any) -> Any:
    """Return a field of a dataclass of settings.

    Args:
        default: Value where the file has none; without it, the key is required.
        rules: What a value must fulfil, in words of JSON schema, such as ``minimum=1``.
    """
    return field(metadata={RULES: rules}) if default is MISSING else field(default=default, metadata={RULES: rules})


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a dataclass, a tuple of one type, a type that may be ``None``, or a simple type."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        members = {one.name: {**schema_of(hints[one.name]), **one.metadata.get(RULES, {})} for one in fields(kind)}
        required = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]
        return {"type": "object", "properties": members, "required": required, "additionalProperties": False}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": schema_of(get_args(kind)[0])}
    return {"type": TYPES[kind]} if kind in TYPES else schema_of(_without_none(kind))


def make(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """Return settings made from values that the schema of ``kind`` accepts."""
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value) for name, value in values.items()})


def _value(kind: Any, value: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return make(kind, value)
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], one) for one in value)
    if kind in TYPES:
        return float(value) if kind is float else value
    return _value(_without_none(kind), value)


def _without_none(kind: Any) -> Any:
    """Return the type that is not ``None`` of a union such as ``Tls | None``."""
    assert get_origin(kind) in (Union, types.UnionType), kind
    (one,) = (member for member in get_args(kind) if member is not type(None))
    return one
