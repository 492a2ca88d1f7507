"""TOML files of settings, checked against a JSON schema, with messages that name line and key, expected and got."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import tomli

from striq.errors import StriqError, one_line

Key = tuple[str | int, ...]
Fault = tuple[Key, str]  # what is wrong, and where
TABLE = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\- ]+?)\s*\]")
SHOWN_CHARACTERS = 60


def parse_toml(text: str, schema: Mapping[str, Any], where: str | Path) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Args:
        text: TOML.
        schema: JSON schema that the tables must match.
        where: File that messages name.

    Raises:
        StriqError: If the text is not TOML or does not match the schema; the message has one line for each fault.
    """
    try:
        tables = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        msg = f"{where}: is not TOML: {one_line(error)}. Correct this place."
        raise StriqError(msg) from error
    validator = jsonschema.Draft202012Validator(schema)
    refuse(text, where, [fault for error in validator.iter_errors(tables) for fault in _faults(error)])
    return tables


def refuse(text: str, where: str | Path, faults: Sequence[Fault]) -> None:
    """Raise an error that names all faults in the order of their lines; return if there are none.

    Args:
        text: TOML.
        where: File that messages name.
        faults: What is wrong.

    Raises:
        StriqError: If there is a fault; the message has one line for each.
    """
    placed = sorted((line_of(text, key), f"{_dotted(key)}: {wrong}") for key, wrong in faults)
    if placed:
        raise StriqError("\n".join(f"{where}{f', line {line}' if line else ''}: {wrong}" for line, wrong in placed))


def _faults(error: Any) -> list[Fault]:
    """Return key and message of each fault that one error of the schema tells of."""
    key, rule, value = tuple(error.absolute_path), error.validator, error.validator_value
    if rule == "additionalProperties":
        known = sorted(error.schema.get("properties", ()))
        return [((*key, name), _unknown(name, known)) for name in error.instance if name not in known]
    if rule == "required":
        return [((*key, name), "expected a value, got none") for name in value if name not in error.instance]
    if rule in ("type", "enum", *EXPECTED):
        return [(key, f"expected {_expected(rule, value)}, got {_shown(error.instance)}")]
    return [(key, one_line(error))]


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"expected one of {', '.join(known)}, got an unknown key.{hint}"


EXPECTED = {
    "minimum": "a number of at least {}",
    "maximum": "a number of at most {}",
    "exclusiveMinimum": "a number greater than {}",
    "minItems": "at least {} entry",
    "minLength": "a text of at least {} character",
    "maxLength": "a text of at most {} characters",
    "pattern": "a text of the form {}",
    "const": "{}",
    "uniqueItems": "entries that differ",
}
KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


def _expected(rule: str, value: Any) -> str:
    if rule == "type":
        return KINDS[value]
    if rule == "enum":
        return f"one of {', '.join(value)}"
    return EXPECTED[rule].format(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def _dotted(key: Key) -> str:
    """Return a key as ``destinations[2].port``, entries of lists counted from 1."""
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.lstrip(".") or "the file"


def line_of(text: str, key: Key) -> int:
    r"""Return the number of the line that states a key, else that of its table, else 0; lines count from 1.

    Example:
        >>> line_of("[storage]\nport = 1\n", ("storage", "port"))
        2
    """
    table: Key = ()
    best, best_length = 0, 0
    counts: dict[Key, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        header = TABLE.match(line)
        if header:
            table = _table(header, counts)
            place = table
        else:
            name = (
                line.split("=", 1)[0].strip().strip("\"'") if "=" in line and not line.lstrip().startswith("#") else ""
            )
            place = (*table, *name.split(".")) if name else ()
        if place and key[: len(place)] == place and len(place) > best_length:
            best, best_length = number, len(place)
    return best


def _table(header: re.Match[str], counts: dict[Key, int]) -> Key:
    """Return the key of a table, with the number of its entry in each list of tables."""
    names = [name.strip() for name in header.group(2).split(".")]
    key: Key = ()
    for place, name in enumerate(names):
        key = (*key, name)
        if header.group(1) == "[[" and place == len(names) - 1:
            counts[key] = counts.get(key, -1) + 1
        if key in counts:
            key = (*key, counts[key])
    return key


def read_toml_text(path: Path) -> str:
    """Return the text of a TOML file.

    Raises:
        StriqError: If it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error}). Check the path."
        raise StriqError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: is not UTF-8, as TOML files must be. Save it as UTF-8."
        raise StriqError(msg) from error
