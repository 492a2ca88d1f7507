"""The table of scores: one row per frame, and one row for a file that cannot be opened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from striq.atomic_files import write_csv
from striq.scoring.columns import SCORE_COLUMNS, Value, score_columns, score_values, term_columns
from striq.scoring.results import FrameResult

__all__ = [
    "SCORE_COLUMNS",
    "encodable",
    "score_columns",
    "score_row",
    "source_name",
    "term_columns",
    "write_scores",
]


def write_scores(path: str | Path, results: Iterable[FrameResult]) -> Path:
    """Write results as CSV, atomically, in the order given, and return the path."""
    return write_csv(path, list(score_columns()), [score_row(result) for result in results])


def score_row(result: FrameResult, *, policy: bool = False) -> list[str]:
    """Return one result as cells in the order of :func:`score_columns`; a cell without a value is empty.

    Args:
        result: The result.
        policy: As for :func:`score_columns`.
    """
    values = {**score_values(result, policy=policy), "error": encodable(" ".join(result.error.split()))}
    return [_cell(name, value) for name, value in values.items()]


def _cell(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.9g}" if name == "time_s" else f"{value:.7g}"  # the precision of the float32 it comes from
    return "" if value is None else str(value)


def source_name(path: Path) -> str:
    """Return a path as text that UTF-8 can encode; bytes of a name that are not UTF-8 are escaped."""
    return encodable(str(path))


def encodable(text: str) -> str:
    """Return text that UTF-8 can encode, with surrogates (bytes that were not UTF-8) escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
