"""Reading of the settings file; each error names the key, its line, what is expected and what is there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import tomli

from striq.errors import StriqError
from striq.serve.schema import make, schema_of
from striq.serve.settings import ServeSettings
from striq.serve.settings_rules import broken_rules

EXAMPLE = Path(__file__).parent / "example.toml"
Key = tuple[str | int, ...]
TABLE = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\- ]+?)\s*\]")
SHOWN_CHARACTERS = 60


def read_settings(path: Path) -> ServeSettings:
    """Return the settings in a TOML file.

    Raises:
        StriqError: If the file is no TOML, or its values are not possible; the message has one line for each error.
        OSError: If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomli.loads(text)
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: no TOML file: {error}. See 'striq serve --example'."
        raise StriqError(msg) from error
    validator = jsonschema.Draft202012Validator(schema_of(ServeSettings))
    _complain(path, text, [fault for error in validator.iter_errors(values) for fault in _faults(error)])
    settings = make(ServeSettings, values)
    _complain(path, text, broken_rules(settings))
    return settings


def _complain(path: Path, text: str, faults: Sequence[tuple[Key, str]]) -> None:
    """Raise an error that names all faults in the order of their lines, if there are any."""
    if faults:
        lines = [_message(path, text, key, wrong) for key, wrong in faults]
        raise StriqError("\n".join(sorted(lines, key=_line_number)))


def _faults(error: Any) -> list[tuple[Key, str]]:
    """Return key and message of each fault that one error of the schema tells of."""
    key, rule, value = tuple(error.absolute_path), error.validator, error.validator_value
    if rule == "additionalProperties":
        known = sorted(error.schema["properties"])
        return [((*key, name), _unknown(name, known)) for name in error.instance if name not in known]
    if rule == "required":
        return [((*key, name), "expected a value, got none") for name in value if name not in error.instance]
    return [(key, f"expected {_expected(rule, value)}, got {_shown(error.instance)}")]


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


def _message(path: Path, text: str, key: Key, wrong: str) -> str:
    line = line_of(text, key)
    where = f"{path}, line {line}" if line else str(path)
    return f"{where}: {_dotted(key)}: {wrong}"


def _line_number(message: str) -> int:
    found = re.search(r", line (\d+): ", message)
    return int(found.group(1)) if found else 0


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
