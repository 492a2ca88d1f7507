"""Rated frames and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striq.errors import DatasetError
from striq.types import FrameRecord


@dataclass(frozen=True)
class RatedFrame:
    """A frame with a human rating; ``fold`` is the fold whose training it was held out of, from 0."""

    file: str
    plane: str
    group: str
    rating: float
    fold: int = 0


@dataclass(frozen=True)
class ScoredFrames:
    """Scores of N frames by name, each ``(N,)``, and whether the main score accepts each frame, ``(N,)``."""

    scores: dict[str, NDArray[np.float64]]
    accepted: NDArray[np.bool_] | None = None


def rated_records(records: Sequence[FrameRecord]) -> list[FrameRecord]:
    """Return the records that have a rating.

    Raises:
        DatasetError: If there is none.
    """
    rated = [record for record in records if record.rating is not None]
    if not rated:
        msg = "No frame has a rating to compare scores with. Give a rating table or a 'rating' column."
        raise DatasetError(msg)
    return rated


def as_rated_frames(records: Sequence[FrameRecord], fold: int = 0) -> list[RatedFrame]:
    """Return what the table of scores keeps of rated records."""
    return [RatedFrame(r.path.name, r.plane, r.group, float(r.rating or 0.0), fold) for r in records]


def concatenate_scores(parts: Sequence[ScoredFrames]) -> ScoredFrames:
    """Return the scores of all parts, one part after the other; all have the same scores."""
    scores = {name: np.concatenate([part.scores[name] for part in parts]) for name in parts[0].scores}
    accepted = [part.accepted for part in parts if part.accepted is not None]
    return ScoredFrames(scores, np.concatenate(accepted) if len(accepted) == len(parts) else None)
