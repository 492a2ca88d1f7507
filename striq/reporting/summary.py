"""What the scores of a cine amount to as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from striq.reporting.rows import FrameResult


@dataclass(frozen=True)
class CineSummary:
    """The judgement of a cine; of a single frame, that of the frame.

    Convention:
        - What needs a score is ``None`` where no frame has one.

    Attributes:
        quality: Median Q of the scored frames.
        accepted: Whether more than half of the scored frames are accepted.
        plane: The plane that most scored frames show, or ``"none"``.
        best_frame: Index of the frame with the highest Q.
        worst_frame: Index of the frame with the lowest Q.
        num_frames: Number of frames, scored or not.
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
    scores = [result.score for result in results if result.score is not None]
    num_frames = sum(result.index is not None for result in results)  # a file that cannot be opened has none
    if not scores:
        return CineSummary(None, None, None, None, None, num_frames, 0, 0)
    num_accepted = sum(score.accepted for score in scores)
    return CineSummary(
        quality=median(score.quality for score in scores),
        accepted=2 * num_accepted > len(scores),
        plane=Counter(score.plane for score in scores).most_common(1)[0][0],
        best_frame=max(scores, key=lambda score: score.quality).index,
        worst_frame=min(scores, key=lambda score: score.quality).index,
        num_frames=num_frames,
        num_scored=len(scores),
        num_accepted=num_accepted,
    )
