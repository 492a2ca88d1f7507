"""Critical-difference diagram: mean ranks of scores over planes, and which of them are not told apart."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from striq.evaluation.reports.figures import CONTROL_COLOR, MAIN_COLOR, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text
from striq.evaluation.statistics.rank_tests import RankComparison, indistinct_groups

WIDTH, LINE, TOP = 8.0, 0.2, 0.9  # inches
SMALLEST_P = 1e-4  # that is printed as a number


def critical_difference_report(found: RankComparison, main: str, *, note: str = "") -> StudyReport:
    """Return the report on mean ranks over planes.

    Args:
        found: The mean ranks.
        main: Name of the score to highlight.
        note: A sentence printed with every table and picture.
    """
    order = np.argsort(found.mean_ranks, kind="stable")
    rows = [[found.names[index], number_text(float(found.mean_ranks[index]), digits=2)] for index in order]
    remark = (
        f"SRCC ranked in each of {found.num_blocks} planes, 1 is best. Friedman's test that all scores are alike: "
        f"{_p_text(found.p_value)}. Two scores are told apart at the level {found.alpha:g} if their "
        f"mean ranks differ by {found.critical_difference:.2f} or more (Nemenyi)."
    )
    return StudyReport(
        name="critical_difference",
        title="Mean ranks over planes",
        tables=[ReportTable(["Score", "Mean rank"], rows, remarks=[remark])],
        facts={
            "mean_ranks": dict(zip(found.names, found.mean_ranks.tolist(), strict=True)),
            "planes": found.num_blocks,
            "friedman_p": found.p_value,
            "critical_difference": found.critical_difference,
            "alpha": found.alpha,
        },
        note=note,
        draw=lambda: _draw(found, main),
        caption="Mean rank of the SRCC over planes, 1 is best. Scores joined by a bar are not told apart (Nemenyi).",
    )


def _p_text(value: float) -> str:
    return "p < 0.0001" if value < SMALLEST_P else f"p = {number_text(value, digits=4)}"


def _draw(found: RankComparison, main: str) -> Figure:
    count = len(found.names)
    lines, groups = math.ceil(count / 2), indistinct_groups(found)
    height = TOP + LINE * (lines + len(groups)) + 0.6
    figure, ((panel,),) = new_figure(WIDTH, height)
    order = np.argsort(found.mean_ranks, kind="stable")
    ranks = found.mean_ranks[order]
    panel.set_xlim(1 - 0.55 * count, count + 0.55 * count)
    bottom = -(len(groups) + lines + 1.0)
    panel.set_ylim(bottom, 3.2)
    panel.axis("off")
    _draw_axis(panel, count)
    _draw_length(panel, found)
    for place, index in enumerate(order):
        on_left = place < lines
        depth = -(len(groups) + 1.0 + (place if on_left else count - 1 - place))
        name, rank = found.names[index], float(ranks[place])
        color = MAIN_COLOR if name == main else CONTROL_COLOR
        side = 0.8 if on_left else count + 0.2
        panel.plot([rank, rank, side], [0, depth, depth], color=color, linewidth=1.6 if name == main else 0.9)
        text = f"{name} ({rank:.2f})"
        panel.text(
            side + (-0.1 if on_left else 0.1),
            depth,
            text,
            ha="right" if on_left else "left",
            va="center",
            fontsize=8,
            color=color,
            fontweight="bold" if name == main else "normal",
            parse_math=False,
        )
    for depth, (first, last) in enumerate(groups, start=1):
        panel.plot([ranks[first] - 0.05, ranks[last] + 0.05], [-depth, -depth], color="black", linewidth=3)
    return figure


def _draw_axis(panel: Axes, count: int) -> None:
    panel.plot([1, count], [0, 0], color="black", linewidth=1)
    for rank in range(1, count + 1):
        panel.plot([rank, rank], [0, 0.3], color="black", linewidth=1)
        panel.text(rank, 0.45, str(rank), ha="center", va="bottom", fontsize=8)


def _draw_length(panel: Axes, found: RankComparison) -> None:
    """Draw the critical difference above the axis."""
    end = 1 + found.critical_difference
    panel.plot([1, end], [2.0, 2.0], color="black", linewidth=1)
    for place in (1, end):
        panel.plot([place, place], [1.8, 2.2], color="black", linewidth=1)
    panel.text((1 + end) / 2, 2.3, f"CD = {found.critical_difference:.2f}", ha="center", va="bottom", fontsize=8)
