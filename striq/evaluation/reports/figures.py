"""Drawing shared by the pictures of all reports; needs no display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.atomic_files import replacing
from striq.evaluation.statistics.bootstrap import Interval

MAIN_COLOR, CONTROL_COLOR = "#0b5fa5", "#6b7280"
CHARACTERS_PER_INCH = 16  # of a caption
DPI = 150


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, *, shared: bool = False
) -> tuple[Figure, list[list[Axes]]]:
    """Return an empty figure and its panels, row by row.

    Args:
        width: Inches.
        height: Inches.
        rows: Rows of panels.
        columns: Columns of panels.
        shared: Whether all panels share both axes.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False)
    return figure, panels.tolist()


def add_caption(figure: Figure, text: str) -> None:
    """Write text below the panels, wrapped to the width of the figure."""
    if text:
        wrapped = fill(text, int(figure.get_figwidth() * CHARACTERS_PER_INCH))
        figure.supxlabel(wrapped, fontsize=8, x=0.01, horizontalalignment="left")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure atomically and return the path.

    Raises:
        ValueError: If the suffix of ``path`` is not a format that can be written, such as PNG, PDF or SVG.
    """
    with replacing(path) as stream:
        figure.savefig(stream, format=path.suffix.removeprefix(".") or "png")
    return path


def draw_points(panel: Axes, names: Sequence[str], values: Sequence[float], intervals: Sequence[Interval]) -> None:
    """Draw one line per name from the top down: a point, its interval and its value; the first is the main one."""
    for place, (value, interval) in enumerate(zip(values, intervals, strict=True)):
        color = CONTROL_COLOR if place else MAIN_COLOR
        if np.isnan(value):
            panel.annotate("n/a", (0.0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
            continue
        if not np.isnan(interval.low):
            panel.plot([interval.low, interval.high], [place, place], color=color, linewidth=2.0)
        panel.plot([value], [place], marker="o", markersize=6, color=color, linestyle="none")
        panel.annotate(
            f"{value:.2f}", (value, place), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    panel.axvline(0.0, color="black", linewidth=0.8, linestyle=":", zorder=0)
    panel.set_yticks(range(len(names)), names, fontsize=9)
    panel.set_ylim(len(names) - 0.5, -0.7)
    tidy(panel)


def draw_bars(panel: Axes, names: Sequence[str], values: Sequence[float], *, alpha: float = 1.0) -> None:
    """Draw one horizontal bar per name from the top down; the first is the main one."""
    colors = [MAIN_COLOR, *[CONTROL_COLOR] * (len(names) - 1)]
    panel.barh(range(len(names)), values, color=colors, alpha=alpha)
    panel.set_yticks(range(len(names)), names, fontsize=7)
    panel.invert_yaxis()
    tidy(panel)


def draw_matrix(
    panel: Axes,
    values: NDArray[np.float64],
    texts: list[list[str]],
    rows: Sequence[str],
    columns: Sequence[str],
) -> None:
    """Draw a matrix of values in [0, 1] as colors with a text in each cell; NaN cells stay empty.

    Args:
        panel: Where to draw.
        values: Values that decide the colors, shape ``(R, C)``.
        texts: Text of each cell, R rows of C.
        rows: Names of the rows.
        columns: Names of the columns.
    """
    panel.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            color = "white" if value > 0.5 else "black"
            panel.text(column, row, texts[row][column], ha="center", va="center", fontsize=7, color=color)
    panel.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=7)
    panel.set_yticks(range(len(rows)), rows, fontsize=7)


def tidy(panel: Axes) -> None:
    """Use small ticks on the x axis, and only the left and the lower border."""
    panel.tick_params(axis="x", labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
