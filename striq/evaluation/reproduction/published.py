"""Figures that the paper prints, to stand beside ours."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from importlib import resources
from typing import Any

from striq.evaluation.reports.text import number_text

PLANES = ("Abd.", "4CH", "Kid.", "Avg.")  # columns of tables 2 and 5
PUBLISHED_PLANE = {
    "abdomen": "Abdomen",
    "four_chamber": "4CH",
    "4ch": "4CH",
    "kidney": "Kidney",
    "face": "Face",
    "a2c": "A2C",
    "a4c": "A4C",
}
PREFIXES = ("synthetic_", "fetal_")  # of planes that the paper names without them


@lru_cache(maxsize=1)
def published() -> dict[str, dict[str, Any]]:
    """Return the printed figures by table."""
    text = resources.files("striq.evaluation.reproduction").joinpath("published.json").read_text(encoding="utf-8")
    return json.loads(text)


def published_plane(plane: str) -> str | None:
    """Return the paper's name of a plane, if the paper has it."""
    name = plane.lower()
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return PUBLISHED_PLANE.get(name)


def published_srcc(plane: str, method: str) -> float:
    """Return the SRCC of a method on a plane in Table 1, NaN if the paper has none."""
    table, name = published()["table1"], published_plane(plane)
    if name is None or method not in table["methods"]:
        return math.nan
    value = table["planes"][name][table["methods"].index(method)]
    return math.nan if value is None else float(value)


def published_cells(table: str, row: str, count: int) -> list[str]:
    """Return the printed figures of a row as cells, empty ones if the paper has no such row.

    Args:
        table: Name of the table.
        row: Name of the row.
        count: Number of cells.
    """
    found: float | list[float] | None = published()[table].get(row)
    if found is None:
        return [""] * count
    return [number_text(value) for value in (found if isinstance(found, list) else [found])]
