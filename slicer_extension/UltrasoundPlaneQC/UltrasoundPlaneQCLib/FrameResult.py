"""The score of one frame: one row of the table of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FrameResult:
    """One row of the table.

    Attributes:
        normalized: Each term on the scale of Q: 1 is the best seen in training, 0 the worst.
        weights: Weight of each term in Q; NaN in tables of older versions.
        transform: The six numbers of the 2x3 pull-back from frame to reference; empty for a frame without a score.
        crop: Top, left, bottom and right of the fan in pixels: the box that ``transform`` lives in.
        reference: File of the nearest reference frame.
        error: Why the frame was not scored.
    """

    frame: int
    timeS: float
    quality: float
    verdict: str
    decidedBy: str
    plane: str
    normalized: dict[str, float]
    weights: dict[str, float]
    transform: list[float] = field(default_factory=list[float])
    crop: list[int] = field(default_factory=list[int])
    reference: str = ""
    error: str = ""

    @property
    def isScored(self) -> bool:
        """Whether the frame has a score."""
        return not math.isnan(self.quality)
