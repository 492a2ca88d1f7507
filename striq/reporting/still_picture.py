"""The score of a single image as a picture file: the image, and the terms that make up its quality."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from striq.atomic_files import replacing
from striq.reporting.pictures import DPI, SIZE_INCHES, shortened
from striq.reporting.term_bars import draw_terms
from striq.scoring.curve_picture import BEST_COLOR, WORST_COLOR
from striq.types import Frame, FrameScore


def draw_still(path: str | Path, title: str, score: FrameScore, frame: Frame) -> Path:
    """Draw an image beside its normalized terms as PNG, PDF or SVG, atomically, and return the path.

    Args:
        path: File to write; its suffix determines the format.
        title: Text above the image.
        score: Score of the image.
        frame: The image.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = GridSpec(1, 2, figure=figure, width_ratios=(1.0, 1.2))
    _draw_image(figure.add_subplot(grid[0, 0]), title, frame)
    draw_terms(figure.add_subplot(grid[0, 1]), score)
    _draw_verdict(figure, score)
    target = Path(path)
    with replacing(target) as stream:
        canvas.print_figure(stream, format=target.suffix.removeprefix(".") or "png")
    return target


def _draw_image(axes: Axes, title: str, frame: Frame) -> None:
    aspect = 1.0 if frame.spacing_mm is None else frame.spacing_mm[0] / frame.spacing_mm[1]
    axes.imshow(frame.pixels, cmap="gray", vmin=0.0, vmax=1.0, aspect=aspect)
    axes.set_title(shortened(title, 40), fontsize=10, loc="left", parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_verdict(figure: Figure, score: FrameScore) -> None:
    verdict, color = ("accepted", BEST_COLOR) if score.accepted else ("rejected", WORST_COLOR)
    heading = f"Q {score.quality:.2f}, threshold {score.threshold:g}: {verdict}. Plane: {score.plane}"
    figure.suptitle(heading, fontsize=11, color=color, parse_math=False)
