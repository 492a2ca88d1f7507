"""Counts and extremes of the scores of one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from striq.scoring.results import FrameResult
from striq.types import FrameScore


@dataclass(frozen=True)
class CineFigures:
    """Counts and extremes of the scores of one file.

    Attributes:
        num_frames: Number of frames, with or without a score.
        num_accepted: Number of accepted frames.
        num_not_scored: Number of frames that could not be read or scored.
        median_quality: Median Q; ``None`` if no frame has a score.
        best: First frame with the highest Q; ``None`` if no frame has a score.
        worst: First frame with the lowest Q; ``None`` if no frame has a score.
        planes: Number of scored frames by predicted plane, most frequent first.
    """

    num_frames: int
    num_accepted: int
    num_not_scored: int
    median_quality: float | None
    best: FrameScore | None
    worst: FrameScore | None
    planes: dict[str, int]

    @property
    def num_scored(self) -> int:
        """Number of frames with a score."""
        return self.num_frames - self.num_not_scored

    @classmethod
    def of(cls, results: Sequence[FrameResult]) -> CineFigures:
        """Return the figures of the results of one file; a file that could not be opened has no frames."""
        scores = [result.score for result in results if result.score is not None]
        frames = [result for result in results if result.index is not None]
        return cls(
            num_frames=len(frames),
            num_accepted=sum(score.accepted for score in scores),
            num_not_scored=len(frames) - len(scores),
            median_quality=median(score.quality for score in scores) if scores else None,
            best=max(scores, key=lambda score: score.quality, default=None),
            worst=min(scores, key=lambda score: score.quality, default=None),
            planes=dict(Counter(score.plane for score in scores).most_common()),
        )
