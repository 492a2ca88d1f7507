"""Cells of the table of scores: from numbers to text and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .ResultsColumns import TEXTS


def csvCells(name: str, values: Sequence[Any]) -> list[str]:
    """Return the values of a column as cells of a CSV file."""
    if name in TEXTS:
        return list(values)
    return ["" if math.isnan(value) else f"{value:.9g}" for value in values]


def fillColumn(column: Any, values: Sequence[float | str]) -> None:
    """Write values into the first rows of a column."""
    for row, value in enumerate(values):
        column.SetValue(row, value)
    column.Modified()


def numbersOf(text: str) -> list[float]:
    """Return the numbers in a cell of text."""
    return [float(part) for part in text.split()]


def orNan(value: float | None) -> float:
    """Return a number, NaN for ``None``."""
    return math.nan if value is None else value
