"""Scores beside ratings, frame by frame: written once, compared for all frames or for some of them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from striq.atomic_files import write_csv, write_text
from striq.errors import DatasetError
from striq.evaluation.agreement.comparison import evaluate_scores
from striq.evaluation.agreement.controls import MAIN, ScoredFrames
from striq.evaluation.agreement.figures import plot_agreement
from striq.evaluation.agreement.tables import EvaluationTable, figure_text, markdown_table, write_table
from striq.evaluation.statistics.metrics import srcc

SCORES_NAME = "scores.csv"
ACCEPTED = "accepted"


@dataclass(frozen=True)
class RatedFrame:
    """What a table of scores says of a frame beside its scores; ``fold`` is the one it was left out of training in."""

    file: str
    plane: str
    group: str
    rating: float
    fold: int = 0


COLUMNS = [*(field.name for field in fields(RatedFrame)), ACCEPTED]


def compare(
    frames: Sequence[RatedFrame], scored: ScoredFrames, output: Path, *, note: str = "", seed: int = 0
) -> EvaluationTable:
    """Compare every score with the ratings and write the table as JSON, Markdown and picture, and that of the folds.

    Args:
        frames: N rated frames.
        scored: Their scores.
        output: Folder for results.
        note: A sentence printed beside every figure.
        seed: Of the bootstrap.
    """
    table = evaluate_scores(
        scored.scores,
        [frame.rating for frame in frames],
        [frame.group for frame in frames],
        [frame.plane for frame in frames],
        scored.accepted,
        main=MAIN,
        seed=seed,
        note=note,
    )
    write_table(table, output / "evaluation.json", output / "evaluation.md")
    if len({frame.fold for frame in frames}) > 1:
        write_text(output / "folds.md", folds_markdown(frames, scored))
    plot_agreement(table, output / "evaluation.png")
    return table


def folds_markdown(frames: Sequence[RatedFrame], scored: ScoredFrames) -> str:
    """Return the SRCC of every score in every fold and plane as Markdown."""
    parts = sorted({(frame.plane, frame.fold) for frame in frames})
    cells = []
    for plane, fold in parts:
        chosen = np.array([(frame.plane, frame.fold) == (plane, fold) for frame in frames])
        ratings = np.array([frame.rating for frame in frames])[chosen]
        found = [srcc(values[chosen], ratings) for values in scored.scores.values()]
        cells.append([plane, str(fold + 1), str(chosen.sum()), *map(figure_text, found)])
    return "\n".join([*markdown_table(["Plane", "Fold", "Frames", *scored.scores], cells), ""])


def write_scores(path: Path, frames: Sequence[RatedFrame], scored: ScoredFrames) -> Path:
    """Write one row per frame and return the path."""
    rows = [
        [*astuple(frame), int(scored.accepted[i]), *(values[i] for values in scored.scores.values())]
        for i, frame in enumerate(frames)
    ]
    return write_csv(path, [*COLUMNS, *scored.scores], rows)


def read_scores(path: Path, only: str | None = None) -> tuple[list[RatedFrame], ScoredFrames]:
    """Read what :func:`write_scores` wrote.

    Args:
        path: Table of scores.
        only: Regular expression; frames are left out whose file name it is not found in.

    Raises:
        DatasetError: If it is not such a table, or no frame is left.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = [row for row in reader if only is None or re.search(only, row.get("file") or "")]
            names = [name for name in reader.fieldnames or [] if name not in COLUMNS]
        frames = [
            RatedFrame(row["file"], row["plane"], row["group"], float(row["rating"]), int(row["fold"])) for row in rows
        ]
        accepted = np.array([row[ACCEPTED] == "1" for row in rows])
        scores = {name: np.array([float(row[name]) for row in rows]) for name in names}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, re.error) as error:
        msg = f"{path}: not a table of scores ({error}). Give a {SCORES_NAME} that 'striq evaluate' wrote."
        raise DatasetError(msg) from error
    if not frames or MAIN not in scores:
        wanted = f" whose file name matches {only!r}" if only else ""
        msg = f"{path}: no scored frame{wanted}. Give a {SCORES_NAME} that 'striq evaluate' wrote."
        raise DatasetError(msg)
    return frames, ScoredFrames(scores, accepted)
