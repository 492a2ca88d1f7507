"""The score over time as SVG that stands inside a page: numbers only, styled by the page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from matplotlib.ticker import MaxNLocator

from striq.reporting.cine_figures import CineFigures
from striq.scoring.results import FrameResult
from striq.types import FrameScore

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 28, 62  # margins around the curve
STRIP_TOP, STRIP_HEIGHT = HEIGHT - BOTTOM + 8, 10
DOTTED_FRAMES = 150  # above, dots would merge into a band
STATES = {"accepted": "accepted", "rejected": "not accepted", "unscored": "not scored"}


def draw_plot(results: Sequence[FrameResult], summary: CineFigures, threshold: float) -> str:
    """Return the SVG of one cine: curve, threshold, best and worst frame, and a strip of verdicts below.

    Args:
        results: One per frame, in order; at least one has a score.
        summary: Of the same results.
        threshold: Quality above which a frame was accepted.
    """
    scale = _Scale(results)
    parts = [
        *_grid(scale, threshold),
        *_curve(results, scale),
        *_dots(results, scale),
        *_strip(results, scale),
        *_extremes(summary, scale),
        f'<text class="halo" x="{LEFT + 4}" y="{_y(threshold) - 5}">threshold {threshold:g}</text>',
    ]
    label = (
        f"Quality over {scale.unit}: median {summary.median_quality:.2f}, "
        f"{summary.num_accepted} of {summary.num_frames} frames accepted"
    )
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def state_of(result: FrameResult) -> str:
    """Return which of ``STATES`` a frame is in."""
    if result.score is None:
        return "unscored"
    return "accepted" if result.score.accepted else "rejected"


class _Scale:
    """From frames and quality to points of the picture."""

    def __init__(self, results: Sequence[FrameResult]) -> None:
        indices = [result.index or 0 for result in results]
        scores = [result.score for result in results if result.score is not None]
        times = [score.time_s for score in scores if score.time_s is not None]
        self.unit = "time in seconds" if len(times) == len(scores) and times[-1] > times[0] else "frames"
        known = [score.index for score in scores]
        # A frame without a score has no time of its own here: it lies between its neighbors.
        places = np.interp(indices, known, times) if self.unit != "frames" else np.asarray(indices, dtype=float)
        self.places = dict(zip(indices, places.tolist(), strict=True))
        self.low, self.high = min(self.places.values()), max(self.places.values())

    def at(self, place: float) -> float:
        """Return x of a time or an index."""
        span = self.high - self.low or 1.0
        return round(LEFT + (place - self.low) / span * (WIDTH - LEFT - RIGHT), 1)

    def x(self, index: int) -> float:
        """Return x of a frame."""
        return self.at(self.places[index])

    def ticks(self) -> list[float]:
        """Return round values within the axis."""
        values = MaxNLocator(7, steps=[1, 2, 5, 10], integer=self.unit == "frames").tick_values(self.low, self.high)
        return [float(value) for value in values if self.low <= value <= self.high]


def _y(quality: float) -> float:
    return round(TOP + (1 - quality) * (HEIGHT - TOP - BOTTOM), 1)


def _grid(scale: _Scale, threshold: float) -> list[str]:
    right = WIDTH - RIGHT
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<path class="grid" d="M{LEFT} {_y(value)}H{right}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{_y(value) + 4}" text-anchor="end">{value:g}</text>')
    parts += [
        f'<text class="tick" x="{scale.at(value)}" y="{HEIGHT - 24}" text-anchor="middle">{value:g}</text>'
        for value in scale.ticks()
    ]
    name = f"{scale.unit[0].upper()}{scale.unit[1:]}" if scale.unit != "frames" else "Frame"
    parts.append(f'<text class="name" x="{(LEFT + right) / 2:g}" y="{HEIGHT - 6}" text-anchor="middle">{name}</text>')
    parts.append(f'<text class="name" x="{LEFT - 34}" y="12">Quality Q</text>')
    parts.append(f'<path class="threshold" d="M{LEFT} {_y(threshold)}H{right}"/>')
    return parts


def _curve(results: Sequence[FrameResult], scale: _Scale) -> list[str]:
    """Return one line per stretch of scored frames: nothing is drawn across a frame without a score."""
    parts = []
    for is_scored, stretch in groupby(results, key=lambda result: result.score is not None):
        if is_scored:
            scores = [result.score for result in stretch if result.score is not None]
            points = " ".join(f"{scale.x(score.index)},{_y(score.quality)}" for score in scores)
            parts.append(f'<polyline class="curve" points="{points}"/>')
    return parts


def _dots(results: Sequence[FrameResult], scale: _Scale) -> list[str]:
    if len(results) > DOTTED_FRAMES:
        return []
    scores = [result.score for result in results if result.score is not None]
    return [
        f'<circle class="{"accepted" if score.accepted else "rejected"}" r="3" cx="{scale.x(score.index)}" '
        f'cy="{_y(score.quality)}"><title>Frame {score.index}: Q {score.quality:.2f}</title></circle>'
        for score in scores
    ]


def _strip(results: Sequence[FrameResult], scale: _Scale) -> list[str]:
    """Return the verdicts as a strip, one piece per run; the kinds differ in height too, not in color alone."""
    middles = [scale.x(result.index or 0) for result in results]
    edges = [middles[0], *((a + b) / 2 for a, b in pairwise(middles)), middles[-1]]
    parts, first = [], 0
    for state, run in groupby(results, key=state_of):
        last = first + len(list(run)) - 1
        left, right = edges[first], max(edges[last + 1], edges[first] + 1)
        height = {"accepted": STRIP_HEIGHT, "rejected": STRIP_HEIGHT * 0.5, "unscored": STRIP_HEIGHT * 0.2}[state]
        frames = f"Frame {results[first].index}" if first == last else f"Frames {results[first].index} to {last}"
        parts.append(
            f'<rect class="{state}" x="{left:.1f}" y="{STRIP_TOP + STRIP_HEIGHT - height:g}" '
            f'width="{right - left:.1f}" height="{height:g}"><title>{frames}: {STATES[state]}</title></rect>'
        )
        first = last + 1
    return parts


def _extremes(summary: CineFigures, scale: _Scale) -> list[str]:
    pairs: tuple[tuple[str, FrameScore | None], ...] = (("best", summary.best), ("worst", summary.worst))
    parts = []
    for name, score in pairs:
        if score is None:
            continue
        x, y = scale.x(score.index), _y(score.quality)
        anchor = "start" if x < LEFT + 40 else "end" if x > WIDTH - RIGHT - 40 else "middle"
        below = (name == "worst" and score.quality > 0.08) or score.quality > 0.95
        parts.append(f'<circle class="ring {name}" r="7" cx="{x}" cy="{y}"/>')
        place = f'x="{x}" y="{y + (21 if below else -12):.1f}" text-anchor="{anchor}"'
        parts.append(f'<text class="mark {name}" {place}>{name}</text>')
    return parts
