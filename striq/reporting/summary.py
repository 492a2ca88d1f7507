"""Summary of the scores of a cine in plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striq.reporting.cine_figures import CineFigures
from striq.scoring.results import FrameResult


@dataclass(frozen=True)
class CineSummary:
    """Summary of the scores of a cine or a single frame.

    Convention:
        - ``quality``, ``accepted``, ``plane``, ``best_frame`` and ``worst_frame`` are ``None`` if no frame has a score.

    Attributes:
        quality: Median Q of the scored frames.
        accepted: Whether more than half of the scored frames are accepted.
        plane: Most frequent predicted plane of the scored frames; may be ``"none"``.
        best_frame: Index of the frame with the highest Q.
        worst_frame: Index of the frame with the lowest Q.
        num_frames: Number of frames, with or without a score.
        num_scored: Number of scored frames.
        num_accepted: Number of accepted frames.
    """

    quality: float | None
    accepted: bool | None
    plane: str | None
    best_frame: int | None
    worst_frame: int | None
    num_frames: int
    num_scored: int
    num_accepted: int


def summarize(results: Sequence[FrameResult]) -> CineSummary:
    """Return the summary of the results of one cine."""
    figures = CineFigures.of(results)
    return CineSummary(
        quality=figures.median_quality,
        accepted=2 * figures.num_accepted > figures.num_scored if figures.num_scored else None,
        plane=next(iter(figures.planes), None),
        best_frame=None if figures.best is None else figures.best.index,
        worst_frame=None if figures.worst is None else figures.worst.index,
        num_frames=figures.num_frames,
        num_scored=figures.num_scored,
        num_accepted=figures.num_accepted,
    )
