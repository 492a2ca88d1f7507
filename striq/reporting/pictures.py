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
from striq.scoring.curve_picture import BEST_COLOR, WORST_COLOR, draw_curve, label_curve
from striq.scoring.results import FrameResult
from striq.scoring.score_curve import ScoreCurve
from striq.types import Frame, FrameScore

SIZE_INCHES, DPI = (11.0, 4.6), 120


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
    draw_curve(axes, curve)
    label_curve(
        axes, curve, shortened(title), f"{figures.num_accepted} of {figures.num_frames} frames accepted (tall bar)"
    )
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
