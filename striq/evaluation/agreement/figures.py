"""Figures of an evaluation, drawn without a display."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from striq.atomic_files import replacing
from striq.evaluation.agreement.tables import MEAN, EvaluationRow, EvaluationTable

MAIN_COLOR, CONTROL_COLOR = "#0b5fa5", "#6b7280"
PANEL_WIDTH, ROW_HEIGHT, FRAME_HEIGHT = 3.6, 0.42, 1.5  # inches
CHARACTERS_PER_INCH = 16  # of the 8-point text below the panels


def plot_agreement(table: EvaluationTable, path: str | Path) -> Path:
    """Draw the SRCC of every score with its interval, one panel per plane, and write it as PNG, PDF or SVG.

    Raises:
        ValueError: If the suffix of ``path`` is not a format that can be written.
    """
    target = Path(path)
    num_scores = len(table.of_plane(table.planes[0]))
    size = (1.4 + PANEL_WIDTH * len(table.planes), FRAME_HEIGHT + ROW_HEIGHT * num_scores)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(table.planes), sharex=True, sharey=True, squeeze=False)[0]
    for panel, plane in zip(panels, table.planes, strict=True):
        _draw_plane(panel, table.of_plane(plane), table.main)
        panel.set_title("Mean over planes" if plane == MEAN else plane, fontsize=10)
        panel.set_xlabel("SRCC with human rating", fontsize=9)
    method = f"Bars: {100 * table.level:g} % bootstrap intervals, groups resampled. "
    caption = fill(method + (f"Note: {table.note}" if table.note else ""), int(size[0] * CHARACTERS_PER_INCH))
    figure.supxlabel(caption, fontsize=8, x=0.01, horizontalalignment="left")
    with replacing(target) as stream:
        canvas.print_figure(stream, format=target.suffix.removeprefix(".") or "png")
    return target


def _draw_plane(panel: Axes, rows: tuple[EvaluationRow, ...], main: str) -> None:
    """Draw one line per score from the top down: a dot, its interval and its figure."""
    for position, row in enumerate(rows):
        color = MAIN_COLOR if row.score == main else CONTROL_COLOR
        value, interval = row.agreement.srcc, row.intervals["srcc"]
        if math.isnan(value):
            panel.annotate("n/a", (0.0, position), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
            continue
        if not math.isnan(interval.low):
            panel.plot([interval.low, interval.high], [position, position], color=color, linewidth=2.0)
        panel.plot([value], [position], marker="o", markersize=6, color=color, linestyle="none")
        panel.annotate(
            f"{value:.2f}", (value, position), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    panel.axvline(0.0, color="black", linewidth=0.8, linestyle=":", zorder=0)
    panel.set_yticks(range(len(rows)), [row.score for row in rows], fontsize=9)
    panel.set_ylim(len(rows) - 0.5, -0.7)
    panel.tick_params(axis="x", labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
