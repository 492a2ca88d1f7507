"""The table of scores: one row per frame, and one row for a file that cannot be opened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from striq.atomic_files import write_csv
from striq.quality.terms import TERMS
from striq.scoring.results import FrameResult
from striq.types import FrameScore

SCORE_COLUMNS: dict[str, type] = {
    "source": str,
    "frame": int,
    "time_s": float,
    "plane": str,
    "plane_probability": float,
    "scored_plane": str,
    "quality": float,
    "uncertainty": float,
    "accepted": bool,
    "threshold": float,
}


def score_columns() -> dict[str, type]:
    """Return the type of each column by name, in the order of the table.

    Convention:
        - Each term has three columns: ``NAME`` (raw), ``NAME_normalized`` and ``NAME_weight``. The sum over the terms
          of ``NAME_weight`` times ``NAME_normalized`` is ``quality``.
    """
    names = [column for term in TERMS for column in term_columns(term)]
    return {**SCORE_COLUMNS, **dict.fromkeys(names, float), "error": str}


def term_columns(name: str) -> tuple[str, str, str]:
    """Return the names of a term's columns: raw value, normalized value and weight."""
    return name, f"{name}_normalized", f"{name}_weight"


def write_scores(path: str | Path, results: Iterable[FrameResult]) -> Path:
    """Write results as CSV, atomically, in the order given, and return the path."""
    return write_csv(path, list(score_columns()), [score_row(result) for result in results])


def score_row(result: FrameResult) -> list[str]:
    """Return one result as cells in the order of :func:`score_columns`; a cell without a value is empty."""
    cells = {"source": result.source, "error": encodable(" ".join(result.error.split()))}
    if result.index is not None:
        cells["frame"] = str(result.index)
    if result.score is not None:
        cells |= _score_cells(result.score)
    return [cells.get(name, "") for name in score_columns()]


def _score_cells(score: FrameScore) -> dict[str, str]:
    cells = {
        "time_s": "" if score.time_s is None else f"{score.time_s:.9g}",
        "plane": score.plane,
        "plane_probability": _number(score.plane_probabilities[score.plane]),
        "scored_plane": score.scored_plane,
        "quality": _number(score.quality),
        "uncertainty": _number(score.uncertainty),
        "accepted": "true" if score.accepted else "false",
        "threshold": _number(score.threshold),
    }
    for name, value in score.terms.items():
        values = (value, score.normalized_terms[name], score.weights[name])
        cells |= dict(zip(term_columns(name), map(_number, values), strict=True))
    return cells


def source_name(path: Path) -> str:
    """Return a path as text that UTF-8 can encode; bytes of a name that are not UTF-8 are escaped."""
    return encodable(str(path))


def encodable(text: str) -> str:
    """Return text that UTF-8 can encode, with surrogates (bytes that were not UTF-8) escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _number(value: float) -> str:
    return f"{value:.7g}"  # the precision of the float32 it comes from
