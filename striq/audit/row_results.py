"""Results of frames from the rows of an audit, for reports."""

from __future__ import annotations

from typing import Any

import numpy as np

from striq.quality.terms import TERMS
from striq.reporting.rows import term_columns
from striq.scoring.results import FrameResult
from striq.types import AnchorSource, FrameScore


def result_of(row: dict[str, Any]) -> FrameResult:
    """Return the result that a row was made from, without where the frame lies in the picture."""
    if row["quality"] is None:
        return FrameResult(row["source"], row["frame"], error=row["error"] or "")
    names = [name for name in TERMS if row[name] is not None]
    raw, normalized, weights = ({name: row[term_columns(name)[place]] for name in names} for place in range(3))
    score = FrameScore(
        quality=row["quality"],
        accepted=row["accepted"],
        plane=row["plane"],
        scored_plane=row["scored_plane"],
        plane_probabilities={row["plane"]: row["plane_probability"]},
        terms=raw,
        normalized_terms=normalized,
        weights=weights,
        threshold=row["threshold"],
        crop=(0, 0, 0, 0),
        transform=np.eye(2, 3, dtype=np.float32),
        nearest_anchor=AnchorSource("", ""),
        uncertainty=row["uncertainty"],
        source=row["source"],
        index=row["frame"],
        time_s=row["time_s"],
    )
    return FrameResult(row["source"], row["frame"], score)
