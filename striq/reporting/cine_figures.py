"""A cine in a few figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from striq.scoring.results import FrameResult
from striq.types import FrameScore


@dataclass(frozen=True)
class CineFigures:
    """What became of the frames of one file.

    Attributes:
        num_frames: Frames, those without a score included.
        num_accepted: Frames above the threshold.
        num_not_scored: Frames that could not be read or judged.
        median_quality: Of the frames scored; ``None`` where there are none, as the next two.
        best: Frame of the highest quality, the first of several.
        worst: Frame of the lowest quality, the first of several.
        planes: Frames scored per plane, the most frequent first.
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
        """Frames with a score."""
        return self.num_frames - self.num_not_scored

    @classmethod
    def of(cls, results: Sequence[FrameResult]) -> CineFigures:
        """Summarize the results of one file; a file that could not be opened has no frames."""
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
