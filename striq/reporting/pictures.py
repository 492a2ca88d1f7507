"""The score of a cine over time as a picture file, with its best and its worst frame beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from striq.atomic_files import replacing
from striq.reporting.cine_figures import CineFigures
from striq.reporting.score_curve import STATE_HEIGHTS, ScoreCurve, State
from striq.scoring.results import FrameResult
from striq.types import Frame, FrameScore

SIZE_INCHES, DPI = (11.0, 4.6), 120
BEST_COLOR, WORST_COLOR, CURVE_COLOR, SOFT_COLOR = "#1a7f37", "#b42318", "#1f2937", "#6b7280"
STATE_COLORS: dict[State, str] = {"accepted": BEST_COLOR, "rejected": WORST_COLOR, "unscored": SOFT_COLOR}
STRIP_BOTTOM, STRIP_HEIGHT = -0.06, 0.035  # of the strip of verdicts, in units of Q


def draw_scores(path: str | Path, title: str, results: Sequence[FrameResult], read: Callable[[int], Frame]) -> Path:
    """Draw the score over time as PNG, PDF or SVG, atomically, and return the path.

    Args:
        path: File to write; its suffix determines the format.
        title: Text above the curve.
        results: One per frame of the cine, in order.
        read: Returns the frame with an index; called for the best and the worst one only.

    Raises:
        ValueError: If no frame has a score.
    """
    curve, figures = ScoreCurve.of(results), CineFigures.of(results)
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = GridSpec(2, 2, figure=figure, width_ratios=(2.7, 1.0))
    axes = figure.add_subplot(grid[:, 0])
    _draw_curve(axes, curve)
    _label(axes, curve, shortened(title), f"{figures.num_accepted} of {figures.num_frames} frames accepted (tall bar)")
    for row, (name, score, color) in enumerate(
        (("Best", figures.best, BEST_COLOR), ("Worst", figures.worst, WORST_COLOR))
    ):
        if score is not None:
            place = [curve.positions[score.index]], [score.quality]
            axes.plot(*place, marker="o", markersize=9, color=color, linestyle="none")
            _draw_frame(figure.add_subplot(grid[row, 1]), read(score.index), name, score, color)
    target = Path(path)
    with replacing(target) as stream:
        canvas.print_figure(stream, format=target.suffix.removeprefix(".") or "png")
    return target


def _draw_curve(axes: Axes, curve: ScoreCurve) -> None:
    marker = "." if curve.has_dots else ""
    for segment in curve.segments:
        places = [curve.positions[score.index] for score in segment]
        qualities = [score.quality for score in segment]
        axes.plot(places, qualities, color=CURVE_COLOR, linewidth=1.4, marker=marker)
    narrowest = (curve.limits[1] - curve.limits[0] or 1.0) / 500
    for run in curve.runs:
        width, height = max(run.end - run.start, narrowest), STRIP_HEIGHT * STATE_HEIGHTS[run.state]
        axes.bar(run.start, height, width, STRIP_BOTTOM, align="edge", color=STATE_COLORS[run.state])
    axes.axhline(curve.threshold, color=SOFT_COLOR, linewidth=1.0, linestyle="--")
    axes.annotate(
        f"threshold {curve.threshold:g}",
        (1.0, curve.threshold),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        horizontalalignment="right",
        fontsize=8,
        color=SOFT_COLOR,
    )


def _label(axes: Axes, curve: ScoreCurve, title: str, note: str) -> None:
    axes.set_title(title, fontsize=10, loc="left", parse_math=False)
    axes.set_title(note, fontsize=9, loc="right", color=SOFT_COLOR)
    axes.set_xlabel(curve.axis_label, fontsize=9)
    axes.set_xticks(curve.ticks())
    axes.set_ylabel("Quality Q", fontsize=9)
    axes.set_ylim(-0.07, 1.04)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_frame(axes: Axes, frame: Frame, name: str, score: FrameScore, color: str) -> None:
    aspect = 1.0 if frame.spacing_mm is None else frame.spacing_mm[0] / frame.spacing_mm[1]
    axes.imshow(frame.pixels, cmap="gray", vmin=0.0, vmax=1.0, aspect=aspect)
    title = f"{name}: frame {score.index}, Q {score.quality:.2f}, {score.plane}"
    axes.set_title(title, fontsize=9, color=color, parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_edgecolor(color)


def shortened(title: str, length: int = 70) -> str:
    """Return the end of a title that is longer than a number of characters."""
    return title if len(title) <= length else f"…{title[1 - length :]}"
