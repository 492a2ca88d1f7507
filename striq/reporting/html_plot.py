"""The score over time as SVG inside a page: numbers only, styled by the page."""

from __future__ import annotations

from collections.abc import Sequence

from striq.reporting.cine_figures import CineFigures
from striq.scoring.results import FrameResult
from striq.scoring.score_curve import STATE_HEIGHTS, STATE_LABELS, ScoreCurve

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 28, 62  # margins around the curve
STRIP_TOP, STRIP_HEIGHT = HEIGHT - BOTTOM + 8, 10


def draw_plot(results: Sequence[FrameResult]) -> str:
    """Return the SVG of one cine: curve, threshold, best and worst frame, and a strip of verdicts below.

    Args:
        results: One per frame, in order.

    Raises:
        ValueError: If no frame has a score.
    """
    plot, figures = _Plot(ScoreCurve.of(results)), CineFigures.of(results)
    parts = [*plot.grid(), *plot.segments(), *plot.dots(), *plot.strip(), *plot.extremes(figures), plot.threshold()]
    label = (
        f"Quality over {'time in seconds' if plot.curve.is_timed else 'frames'}: median {figures.median_quality:.2f}, "
        f"{figures.num_accepted} of {figures.num_frames} frames accepted"
    )
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


class _Plot:
    """Elements of the SVG of one curve."""

    def __init__(self, curve: ScoreCurve) -> None:
        self.curve = curve
        self.low, high = curve.limits
        self.span = high - self.low or 1.0

    def x(self, position: float) -> float:
        """Return the horizontal coordinate of a position on the axis."""
        return round(LEFT + (position - self.low) / self.span * (WIDTH - LEFT - RIGHT), 1)

    def frame_x(self, index: int) -> float:
        """Return the horizontal coordinate of a frame."""
        return self.x(self.curve.positions[index])

    def grid(self) -> list[str]:
        """Return grid lines, ticks and names of both axes."""
        right, parts = WIDTH - RIGHT, list[str]()
        for value in (0.0, 0.25, 0.5, 0.75, 1.0):
            parts.append(f'<path class="grid" d="M{LEFT} {_y(value)}H{right}"/>')
            parts.append(f'<text class="tick" x="{LEFT - 6}" y="{_y(value) + 4}" text-anchor="end">{value:g}</text>')
        parts += [
            f'<text class="tick" x="{self.x(value)}" y="{HEIGHT - 24}" text-anchor="middle">{value:g}</text>'
            for value in self.curve.ticks()
        ]
        place = f'x="{(LEFT + right) / 2:g}" y="{HEIGHT - 6}" text-anchor="middle"'
        parts.append(f'<text class="name" {place}>{self.curve.axis_label}</text>')
        parts.append(f'<text class="name" x="{LEFT - 34}" y="12">Quality Q</text>')
        parts.append(f'<path class="threshold" d="M{LEFT} {_y(self.curve.threshold)}H{right}"/>')
        return parts

    def threshold(self) -> str:
        """Return the label of the threshold."""
        value = self.curve.threshold
        return f'<text class="halo" x="{LEFT + 4}" y="{_y(value) - 5}">threshold {value:g}</text>'

    def segments(self) -> list[str]:
        """Return one line per segment."""
        lines = (
            " ".join(f"{self.frame_x(score.index)},{_y(score.quality)}" for score in segment)
            for segment in self.curve.segments
        )
        return [f'<polyline class="curve" points="{points}"/>' for points in lines]

    def dots(self) -> list[str]:
        """Return one dot per scored frame."""
        if not self.curve.has_dots:
            return []
        return [
            f'<circle class="{"accepted" if score.accepted else "rejected"}" r="3" cx="{self.frame_x(score.index)}" '
            f'cy="{_y(score.quality)}"><title>Frame {score.index}: Q {score.quality:.2f}</title></circle>'
            for score in self.curve.scores
        ]

    def strip(self) -> list[str]:
        """Return the verdicts as a strip, one piece per run."""
        parts = list[str]()
        for run in self.curve.runs:
            left, right = self.x(run.start), self.x(run.end)
            height = STRIP_HEIGHT * STATE_HEIGHTS[run.state]
            frames = f"Frame {run.first}" if run.first == run.last else f"Frames {run.first} to {run.last}"
            parts.append(
                f'<rect class="{run.state}" x="{left:.1f}" y="{STRIP_TOP + STRIP_HEIGHT - height:g}" '
                f'width="{max(right - left, 1):.1f}" height="{height:g}">'
                f"<title>{frames}: {STATE_LABELS[run.state]}</title></rect>"
            )
        return parts

    def extremes(self, figures: CineFigures) -> list[str]:
        """Return rings and names of the best and the worst frame."""
        parts = list[str]()
        for name, score in (("best", figures.best), ("worst", figures.worst)):
            if score is None:
                continue
            x, y = self.frame_x(score.index), _y(score.quality)
            anchor = "start" if x < LEFT + 40 else "end" if x > WIDTH - RIGHT - 40 else "middle"
            below = (name == "worst" and score.quality > 0.08) or score.quality > 0.95
            parts.append(f'<circle class="ring {name}" r="7" cx="{x}" cy="{y}"/>')
            place = f'x="{x}" y="{y + (21 if below else -12):.1f}" text-anchor="{anchor}"'
            parts.append(f'<text class="mark {name}" {place}>{name}</text>')
        return parts


def _y(quality: float) -> float:
    return round(TOP + (1 - quality) * (HEIGHT - TOP - BOTTOM), 1)
