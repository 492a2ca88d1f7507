"""Reading of the settings file."""

from __future__ import annotations

from pathlib import Path

from striq.serve.schema import make, schema_of
from striq.serve.settings import ServeSettings
from striq.serve.settings_rules import broken_rules
from striq.toml_files import parse_toml, read_toml_text, refuse

EXAMPLE = Path(__file__).parent / "example.toml"


def read_settings(path: Path) -> ServeSettings:
    """Return the settings in a TOML file.

    Raises:
        StriqError: If the file is no TOML, or its values are not possible; the message has one line for each fault.
    """
    text = read_toml_text(path)
    settings = make(ServeSettings, parse_toml(text, schema_of(ServeSettings), path))
    refuse(text, path, broken_rules(settings))
    return settings
