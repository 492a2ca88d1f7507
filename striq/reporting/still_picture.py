"""The score of a single image as a picture file: the image, and the terms that make up its quality."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from striq.atomic_files import replacing
from striq.reporting.pictures import DPI, SIZE_INCHES, shortened
from striq.scoring.curve_picture import BEST_COLOR, CURVE_COLOR, SOFT_COLOR, WORST_COLOR
from striq.types import Frame, FrameScore

BAR_HEIGHT = 0.55


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
    _draw_terms(figure.add_subplot(grid[0, 1]), score)
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


def _draw_terms(axes: Axes, score: FrameScore) -> None:
    names = [name for name, weight in score.weights.items() if weight > 0]
    places = range(len(names) - 1, -1, -1)  # the first at the top
    axes.barh(places, [1.0] * len(names), BAR_HEIGHT, color=SOFT_COLOR, alpha=0.15)
    axes.barh(places, [score.normalized_terms[name] for name in names], BAR_HEIGHT, color=CURVE_COLOR)
    labels = [f"{name.replace('_', ' ')}, weight {score.weights[name]:.2f}" for name in names]
    axes.set_yticks(places, labels, fontsize=9)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("Normalized term: 1 is the best value seen in training, 0 the worst", fontsize=9)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    verdict, color = ("accepted", BEST_COLOR) if score.accepted else ("rejected", WORST_COLOR)
    heading = f"Q {score.quality:.2f}, threshold {score.threshold:g}: {verdict}. Plane: {score.plane}"
    axes.set_title(heading, fontsize=10, loc="left", color=color, parse_math=False)
