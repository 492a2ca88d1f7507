"""Geometry of a cine's score over time, shared by the PNG and the SVG: axis, segments, and runs of equal verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from striq.scoring.results import FrameResult
from striq.types import FrameScore

MAX_DOTS = 150  # a curve of more frames has no dots, which would merge into a band
State = Literal["accepted", "rejected", "unscored"]
STATE_LABELS: dict[State, str] = {"accepted": "accepted", "rejected": "not accepted", "unscored": "not scored"}
STATE_HEIGHTS: dict[State, float] = {"accepted": 1.0, "rejected": 0.5, "unscored": 0.2}  # readable without color


@dataclass(frozen=True)
class VerdictRun:
    """Consecutive frames with the same verdict.

    Attributes:
        state: Their verdict.
        first: Index of the first frame.
        last: Index of the last frame.
        start: Position halfway to the frame before, on the axis of the curve.
        end: Position halfway to the frame after.
    """

    state: State
    first: int
    last: int
    start: float
    end: float


@dataclass(frozen=True)
class ScoreCurve:
    """The score of a cine over time, in the units of its axis.

    Attributes:
        is_timed: Whether positions are seconds; otherwise they are frame indices.
        positions: Position of each frame by index.
        segments: Stretches of consecutive scored frames; the curve has a gap at a frame without a score.
        runs: Verdicts, in order.
        threshold: Quality that an accepted frame exceeds.
    """

    is_timed: bool
    positions: Mapping[int, float]
    segments: tuple[tuple[FrameScore, ...], ...]
    runs: tuple[VerdictRun, ...]
    threshold: float

    @classmethod
    def of(cls, results: Sequence[FrameResult]) -> ScoreCurve:
        """Return the curve of one cine.

        Convention:
            - Positions are times where every scored frame has one. A frame without a score is placed between its
              neighbors.

        Args:
            results: One per frame, in order.

        Raises:
            ValueError: If no frame has a score.
        """
        scores = [result.score for result in results if result.score is not None]
        if not scores:
            msg = f"A curve needs the score of at least one frame, got {len(results)} frames without any."
            raise ValueError(msg)
        indices = [result.index or 0 for result in results]
        times = [score.time_s for score in scores if score.time_s is not None]
        is_timed = len(times) == len(scores) and times[-1] > times[0]
        places = np.interp(indices, [score.index for score in scores], times).tolist() if is_timed else indices
        positions = dict(zip(indices, map(float, places), strict=True))
        return cls(is_timed, positions, _segments(results), _runs(results, positions), scores[0].threshold)

    @property
    def scores(self) -> list[FrameScore]:
        """All scored frames, in order."""
        return [score for segment in self.segments for score in segment]

    @property
    def has_dots(self) -> bool:
        """Whether each frame is marked by a dot."""
        return len(self.positions) <= MAX_DOTS

    @property
    def axis_label(self) -> str:
        """Name of the axis."""
        return "Time in seconds" if self.is_timed else "Frame"

    @property
    def limits(self) -> tuple[float, float]:
        """First and last position."""
        return min(self.positions.values()), max(self.positions.values())

    def ticks(self) -> list[float]:
        """Return round positions within the limits."""
        low, high = self.limits
        values = MaxNLocator(7, steps=[1, 2, 5, 10], integer=not self.is_timed).tick_values(low, high)
        return [float(value) for value in values if low <= value <= high]


def state_of(result: FrameResult) -> State:
    """Return the verdict on a frame."""
    if result.score is None:
        return "unscored"
    return "accepted" if result.score.accepted else "rejected"


def _segments(results: Sequence[FrameResult]) -> tuple[tuple[FrameScore, ...], ...]:
    stretches = groupby((result.score for result in results), key=lambda score: score is not None)
    return tuple(
        tuple(score for score in stretch if score is not None) for is_scored, stretch in stretches if is_scored
    )


def _runs(results: Sequence[FrameResult], positions: Mapping[int, float]) -> tuple[VerdictRun, ...]:
    indices = [result.index or 0 for result in results]
    centers = [positions[index] for index in indices]
    edges = [centers[0], *((left + right) / 2 for left, right in pairwise(centers)), centers[-1]]
    runs, start = list[VerdictRun](), 0
    for state, members in groupby(results, key=state_of):
        end = start + len(list(members))
        runs.append(VerdictRun(state, indices[start], indices[end - 1], edges[start], edges[end]))
        start = end
    return tuple(runs)
