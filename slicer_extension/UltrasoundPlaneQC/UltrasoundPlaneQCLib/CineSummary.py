"""What the table of a study says about one cine: its best frame and its share of accepted frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .Judgement import ACCEPTED
from .Navigation import bestOf
from .Results import Results


@dataclass(frozen=True)
class CineSummary:
    """Scores of one cine in short.

    Attributes:
        frames: Number of frames.
        scored: Number of frames with a score.
        accepted: Number of accepted frames.
        bestFrame: Accepted frame of highest quality, or the best scored one; ``None`` if none is scored.
        bestTimeS: Its time; NaN if unknown.
        bestQuality: Its quality; NaN if there is none.
        bestPlane: Its plane.
        bestVerdict: Its verdict.
    """

    frames: int
    scored: int
    accepted: int
    bestFrame: int | None
    bestTimeS: float = math.nan
    bestQuality: float = math.nan
    bestPlane: str = ""
    bestVerdict: str = ""

    @property
    def acceptedShare(self) -> float:
        """Accepted frames among all, 0 to 1."""
        return self.accepted / self.frames if self.frames else 0.0

    @classmethod
    def of(cls, results: Results) -> CineSummary:
        """Return the summary of a table of scores."""
        qualities, verdicts = results.numbers("quality"), results.column("verdict")
        scored, accepted = int(np.count_nonzero(~np.isnan(qualities))), verdicts.count(ACCEPTED)
        frame = bestOf(qualities, verdicts)
        if frame is None:
            return cls(len(results), scored, accepted, None)
        timeS, quality, plane, verdict = (
            results.value(frame, name) for name in ("time_s", "quality", "plane", "verdict")
        )
        return cls(len(results), scored, accepted, frame, timeS, quality, plane, verdict)
