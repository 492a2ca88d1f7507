"""Table of scores beside ratings, one row per frame: written by an evaluation, read to compare some of its frames."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from striq.atomic_files import write_csv
from striq.errors import DatasetError
from striq.evaluation.agreement.controls import MAIN
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames

RATED_SCORES_NAME = "rated_scores.csv"
ACCEPTED = "accepted"
COLUMNS = [*(field.name for field in fields(RatedFrame)), ACCEPTED]
SCORE_TABLE_COLUMNS = {"source", "frame", "quality"}  # columns of a table by 'striq score', which has no ratings
REMEDY = f"Give a {RATED_SCORES_NAME} that 'striq evaluate' wrote."


def write_rated_scores(path: Path, frames: Sequence[RatedFrame], scored: ScoredFrames) -> Path:
    """Write one row per frame and return the path."""
    accepted = np.zeros(len(frames), dtype=np.bool_) if scored.accepted is None else scored.accepted
    rows = [
        [*astuple(frame), int(accepted[i]), *(values[i] for values in scored.scores.values())]
        for i, frame in enumerate(frames)
    ]
    return write_csv(path, [*COLUMNS, *scored.scores], rows)


def read_rated_scores(path: Path, only: str | None = None) -> tuple[list[RatedFrame], ScoredFrames]:
    """Read what :func:`write_rated_scores` wrote.

    Args:
        path: Table of rated scores.
        only: Regular expression; frames whose file name it is not found in are left out.

    Raises:
        DatasetError: If it is another table, such as one by ``striq score``, or no frame is left.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = list(reader.fieldnames or [])
            _check_columns(path, columns)
            rows = [row for row in reader if only is None or re.search(only, row["file"])]
        frames = [
            RatedFrame(row["file"], row["plane"], row["group"], float(row["rating"]), int(row["fold"])) for row in rows
        ]
        accepted = np.array([row[ACCEPTED] == "1" for row in rows])
        names = [name for name in columns if name not in COLUMNS]
        scores = {name: np.array([float(row[name]) for row in rows]) for name in names}
    except (OSError, UnicodeDecodeError, TypeError, ValueError, re.error) as error:
        msg = f"{path}: cannot be read as a table of rated scores ({error}). {REMEDY}"
        raise DatasetError(msg) from error
    if not frames:
        wanted = f" whose file name matches {only!r}" if only else ""
        msg = f"{path}: has no frame{wanted}. {REMEDY}"
        raise DatasetError(msg)
    return frames, ScoredFrames(scores, accepted)


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if set(columns) >= SCORE_TABLE_COLUMNS:
        msg = f"{path}: is a table of 'striq score', which has no ratings to compare with. {REMEDY}"
        raise DatasetError(msg)
    missing = [name for name in (*COLUMNS, MAIN) if name not in columns]
    if missing:
        found = ", ".join(columns) or "none"
        msg = f"{path}: is not a table of rated scores: column {missing[0]!r} is missing, got: {found}. {REMEDY}"
        raise DatasetError(msg)
