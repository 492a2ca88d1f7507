"""Reading of the table of scores that ``striq score`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from striq.data.datasets.table import Row, read_rows
from striq.errors import DatasetError, StriqError
from striq.quality.terms import TERMS, pair_term_names
from striq.reporting.rows import SCORE_COLUMNS

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer

REMEDY = "Give the CSV that 'striq score --out' wrote."
TOLERANCE = 2e-3  # of Q computed again from a row: terms have seven digits, and their range may be narrow


@dataclass(frozen=True)
class TableRow:
    """One scored frame of a table.

    Attributes:
        source: File of the frame.
        frame: Number of the frame in the file, from 0.
        plane: Predicted plane; ``"none"`` if the frame shows no known plane.
        scored_plane: Plane whose anchors scored the frame.
        quality: Q, 0 to 1.
        threshold: Threshold the frame was judged by.
        terms: Raw value of each term by name.
    """

    source: str
    frame: int
    plane: str
    scored_plane: str
    quality: float
    threshold: float
    terms: dict[str, float]


def read_scores(path: Path) -> tuple[list[TableRow], int]:
    """Return the scored frames of a table that ``striq score`` wrote, and the number of rows without a score.

    Raises:
        DatasetError: If it is another table, a cell is invalid, or no frame has a score.
    """
    rows = read_rows(path)
    missing = [name for name in (*SCORE_COLUMNS, "error") if name not in rows[0].cells]
    if missing:
        found = ", ".join(rows[0].cells)
        msg = f"{path}: is not a table of 'striq score': column {missing[0]!r} is missing, got: {found}. {REMEDY}"
        raise DatasetError(msg)
    scored = [_scored(row) for row in rows if row.cells["quality"]]
    if not scored:
        msg = f"{path}: none of its {len(rows)} rows has a score. The column 'error' says why."
        raise DatasetError(msg)
    return scored, len(rows) - len(scored)


def check_scores_are_of(scorer: StriqScorer, rows: Sequence[TableRow], path: Path) -> None:
    """Check that a model gives the scores of a table: Q is computed again from the raw terms.

    Args:
        scorer: The model.
        rows: Scored frames of the table.
        path: The table, for messages.

    Raises:
        StriqError: If the model does not know a plane, or its Q differs.
    """
    import torch

    for plane in dict.fromkeys(row.scored_plane for row in rows):
        index, of_plane = scorer.plane_index(plane), [row for row in rows if row.scored_plane == plane]
        values = [[row.terms.get(name, torch.nan) for name in scorer.term_names] for row in of_plane]
        count = len(pair_term_names(scorer.term_names))  # pair terms come first
        pair_terms, frame_terms = torch.tensor(values).tensor_split([count], dim=1)
        quality = scorer.quality_of(pair_terms[:, None], frame_terms, index)[2]  # the terms are means over anchors
        difference = (quality - torch.tensor([row.quality for row in of_plane])).abs().amax()
        if not difference <= TOLERANCE:  # also if it is not a number
            msg = (
                f"{path}: was not written with this model: from the terms of its rows, the model computes another Q of "
                f"{plane} (difference {float(difference):.2g}). Score the frames again with this model."
            )
            raise StriqError(msg)


def _scored(row: Row) -> TableRow:
    quality, threshold = _number(row, "quality"), _number(row, "threshold")
    if not 0.0 <= quality <= 1.0:
        msg = f"{row.where}: column 'quality' must be a number from 0 to 1, got {quality:g}. {REMEDY}"
        raise DatasetError(msg)
    terms = {name: _number(row, name) for name in TERMS if row.cells.get(name)}
    plane, scored_plane = row.text("plane"), row.text("scored_plane")
    return TableRow(row.text("source"), row.count("frame"), plane, scored_plane, quality, threshold, terms)


def _number(row: Row, column: str) -> float:
    value = row.number(column)
    if value is None:
        msg = f"{row.where}: column {column!r} is empty. {REMEDY}"
        raise DatasetError(msg)
    return value
