"""TOML files of settings, checked against a JSON schema, with messages that name the place of a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import tomli

from striq.errors import StriqError, one_line


def parse_toml(text: str, schema: Mapping[str, Any], where: str | Path) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Args:
        text: TOML.
        schema: JSON schema that the tables must match.
        where: File that messages name.

    Raises:
        StriqError: If the text is not TOML or does not match the schema.
    """
    try:
        tables = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        msg = f"{where}: is not TOML: {one_line(error)}. Correct this place."
        raise StriqError(msg) from error
    mistakes = jsonschema.Draft202012Validator(schema).iter_errors(tables)
    found = min(mistakes, key=lambda mistake: [str(part) for part in mistake.absolute_path], default=None)
    if found is not None:
        place = ".".join(str(part) for part in found.absolute_path) or "the file"
        msg = f"{where}: wrong value at {place}: {one_line(found)}. Correct this place."
        raise StriqError(msg)
    return tables


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
