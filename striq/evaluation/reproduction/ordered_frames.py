"""Figure 3: frames of each plane from the worst to the best, by the score and by the best other method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.baselines.protocol import BASELINES
from striq.evaluation.agreement.controls import MAIN
from striq.evaluation.agreement.tables import MEAN
from striq.evaluation.reports.figures import CONTROL_COLOR, MAIN_COLOR, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text
from striq.evaluation.reproduction.finding import Finding
from striq.evaluation.reproduction.run import ReproductionRun

SHOWN = 6  # frames of a line
PANEL_INCHES = 1.35
LABEL_WIDTH = 20  # characters
TITLE = "Figure 3: frames in order of score"


@dataclass(frozen=True)
class Line:
    """Frames of a plane in rising order of a score: rows of the evaluation, and what is printed of each."""

    plane: str
    score: str
    rows: tuple[int, ...]
    values: tuple[float, ...]
    ratings: tuple[float, ...]


def ordered_frames(run: ReproductionRun) -> Finding:
    """Return Figure 3."""
    other = best_baseline(run)
    frames, scored = run.scores
    planes, ratings = np.array([frame.plane for frame in frames]), np.array([frame.rating for frame in frames])
    lines = [
        _line(plane, name, scored.scores[name], planes == plane, ratings)
        for plane in np.unique(planes).tolist()
        for name in (MAIN, other)
    ]
    cells = [
        [line.plane, line.score, *(f"{v:.2f} ({r:.3g})" for v, r in zip(line.values, line.ratings, strict=True))]
        for line in lines
    ]
    widest = max(len(line.rows) for line in lines)
    cells = [[*line, *[""] * (2 + widest - len(line))] for line in cells]
    columns = ["Plane", "Score", *(f"{number + 1}" for number in range(widest))]
    remark = "Score and, in brackets, rating of evenly spaced frames in rising order of the score."
    report = StudyReport(
        name="fig3",
        title=TITLE,
        tables=[ReportTable(columns, cells, remarks=[remark])],
        facts={"lines": lines, "other": other},
        note=run.note,
        draw=lambda: _draw(run, lines),
        caption=f"Worst to best, evenly spaced. Blue: {MAIN}. Gray: {other}, the other method of the highest mean "
        "SRCC. In brackets: rating.",
    )
    missing = ["The paper's figure shows frames of US4QA, which are not public, beside CRL-UIQA."]
    return Finding(report, missing)


def best_baseline(run: ReproductionRun) -> str:
    """Return the name of the baseline of the highest mean SRCC over planes."""
    means = {row.score: row.agreement.srcc for row in run.agreement.rows if row.plane == MEAN}
    return max((name for name in means if name in BASELINES), key=lambda name: np.nan_to_num(means[name], nan=-1.0))


def _line(
    plane: str, name: str, values: NDArray[np.float64], of_plane: NDArray[np.bool_], ratings: NDArray[np.float64]
) -> Line:
    rows = np.flatnonzero(of_plane)
    order = rows[np.argsort(values[rows], kind="stable")]
    places = np.unique(np.linspace(0, len(order) - 1, SHOWN).round().astype(int))
    chosen = order[places].tolist()
    return Line(plane, name, tuple(chosen), tuple(values[chosen].tolist()), tuple(ratings[chosen].tolist()))


def _draw(run: ReproductionRun, lines: Sequence[Line]) -> Figure:
    figure, panels = new_figure(PANEL_INCHES * SHOWN + 0.6, (PANEL_INCHES + 0.2) * len(lines) + 0.6, len(lines), SHOWN)
    for row, line in zip(panels, lines, strict=True):
        images = run.images([run.rated[index] for index in line.rows])
        color = MAIN_COLOR if line.score == MAIN else CONTROL_COLOR
        for panel in row:
            panel.set_axis_off()
        for panel, image, value, rating in zip(row, images, line.values, line.ratings, strict=False):
            show(panel, image[0].numpy(), f"{number_text(value, digits=2)} ({rating:.3g})", color)
        label(row[0], f"{line.plane}\n{fill(line.score, LABEL_WIDTH)}", color)
    return figure


def show(panel: Axes, pixels: NDArray[np.float32], title: str, color: str = "black") -> None:
    """Draw a frame with a title."""
    panel.imshow(pixels, cmap="gray", vmin=0, vmax=1)
    panel.set_title(title, fontsize=7, color=color, pad=2)
    panel.set_axis_off()


def label(panel: Axes, text: str, color: str = "black") -> None:
    """Write what a line of pictures shows to its left."""
    panel.text(
        -0.05, 0.5, text, transform=panel.transAxes, rotation=90, ha="right", va="center", fontsize=7, color=color
    )
