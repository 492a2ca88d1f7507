"""Names of the models that come with STRIQ beside the default one."""

from __future__ import annotations

from pathlib import Path

LIGHT = "light"
NAMED = {LIGHT: "light.pt"}  # files beside the default model, by the name that ``--model`` takes


def is_shipped_name(model: str | Path) -> bool:
    """Return whether a model is given by a shipped model's name; a file or folder of that name is meant first."""
    return str(model) in NAMED and not Path(model).exists()
