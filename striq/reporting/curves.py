"""Picture of a training: the loss, and the error of known transforms by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from striq.atomic_files import replacing
from striq.training.curves import TRAINING, VALIDATION, Curve

SIZE_INCHES, DPI = (9.0, 3.6), 120
STEP_COLOR, TRAINING_COLOR, VALIDATION_COLOR = "#c3d5e8", "#0b5fa5", "#b45309"
LOSS, NEGATIVE_LOSS, ERROR = "Loss", "negative_loss", "endpoint_error_px"


def draw_curves(path: str | Path, curves: Mapping[str, Mapping[str, Curve]]) -> Path:
    """Draw the curves of a training as PNG, PDF or SVG, atomically, and return the path.

    Args:
        path: File to write; its suffix determines the format.
        curves: Result of ``striq.training.curves.read_curves``.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    losses, errors = figure.subplots(1, 2)
    _draw_losses(losses, curves)
    for name, color in ((TRAINING, TRAINING_COLOR), (VALIDATION, VALIDATION_COLOR)):
        _draw(errors, curves[name].get(ERROR, []), color, name)
    errors.set_title("Endpoint error of known transforms, pixels of 256", fontsize=10, loc="left")
    errors.set_ylim(bottom=0)
    for axes in (losses, errors):
        axes.set_xlabel("Epoch", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8, frameon=False)
    target = Path(path)
    with replacing(target) as stream:
        canvas.print_figure(stream, format=target.suffix.removeprefix(".") or "png")
    return target


def means_of_epochs(steps: Curve, epochs: int) -> Curve:
    """Return (epoch, mean over its steps) for each epoch; all epochs have the same number of steps."""
    parts = np.array_split([value for _, value in steps], epochs) if steps else []
    return [(epoch, float(part.mean())) for epoch, part in enumerate(parts, start=1)]


def _draw_losses(axes: Axes, curves: Mapping[str, Mapping[str, Curve]]) -> None:
    steps = curves[TRAINING].get(LOSS, [])
    epochs = max(1, len(curves[TRAINING].get(ERROR, [])))
    places = [epochs * (i + 1) / len(steps) for i in range(len(steps))]
    axes.plot(places, [value for _, value in steps], color=STEP_COLOR, linewidth=0.8, label=f"{TRAINING}, steps")
    means = [(epoch - 0.5, mean) for epoch, mean in means_of_epochs(steps, epochs)]  # drawn at the middle of the epoch
    _draw(axes, means, TRAINING_COLOR, f"{TRAINING}, mean of an epoch")
    held_out = [(step, -value) for step, value in curves[VALIDATION].get(NEGATIVE_LOSS, [])]
    _draw(axes, held_out, VALIDATION_COLOR, VALIDATION)
    axes.set_title("Loss", fontsize=10, loc="left")


def _draw(axes: Axes, curve: Sequence[tuple[float, float]], color: str, name: str) -> None:
    if curve:
        steps, values = zip(*curve, strict=True)
        axes.plot(steps, values, color=color, marker="o", markersize=4, linewidth=1.6, label=name)
