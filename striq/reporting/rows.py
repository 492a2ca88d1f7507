"""The table of scores: one row per frame, or per file that cannot be opened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from striq.atomic_files import write_csv
from striq.scoring.results import FrameResult

COLUMNS = (
    "source",
    "frame",
    "time_s",
    "plane",
    "plane_probability",
    "quality",
    "accepted",
    "similarity",
    "ncc",
    "smoothness",
    "error",
)


def write_scores(path: str | Path, results: Iterable[FrameResult]) -> Path:
    """Write results as CSV, atomically, in the order given, and return the path."""
    return write_csv(path, COLUMNS, [score_row(result) for result in results])


def score_row(result: FrameResult) -> list[str]:
    """Return one result as cells in the order of ``COLUMNS``; what is not known is empty."""
    frame = "" if result.index is None else str(result.index)
    if result.score is None:
        return [result.source, frame, *[""] * 8, encodable(" ".join(result.error.split()))]
    score, terms = result.score, result.score.terms
    return [
        result.source,
        frame,
        "" if score.time_s is None else f"{score.time_s:.9g}",
        score.plane,
        _figure(score.plane_probabilities[score.plane]),
        _figure(score.quality),
        "true" if score.accepted else "false",
        _figure(terms["similarity"]),
        _figure(terms["ncc"]),
        _figure(terms["smoothness"]),
        "",
    ]


def source_name(path: Path) -> str:
    """Return a path as text that UTF-8 can hold; bytes of a name that is not UTF-8 are escaped."""
    return encodable(str(path))


def encodable(text: str) -> str:
    """Return text that UTF-8 can hold: what stands for a byte that is not UTF-8 is escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _figure(value: float) -> str:
    return f"{value:.7g}"  # the precision of the float32 it comes from
