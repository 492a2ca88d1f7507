"""Report on robustness, with pictures after figures 4 and 5 of the paper."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from striq.data.degradation import SEVERITIES
from striq.evaluation.reports.figures import MAIN_COLOR, draw_bars, new_figure, tidy
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text, yes_or_no
from striq.evaluation.studies.robustness import (
    ChangedScores,
    NuisanceRow,
    falls_throughout,
    nuisance_rows,
    quartiles,
)

PANEL_INCHES = (2.4, 2.3)


def robustness_report(changed: ChangedScores, *, note: str = "") -> StudyReport:
    """Return the report on scores of changed frames.

    Args:
        changed: Scores of changed frames.
        note: A sentence printed with every table and picture.
    """
    planes = list(dict.fromkeys(changed.planes))
    pairs = [(plane, kind) for plane in planes for kind in changed.degraded]
    return StudyReport(
        name="robustness",
        title="Robustness",
        tables=[_nuisance_table(nuisance_rows(changed)), structure_table(changed, pairs)],
        facts={
            "nuisance": nuisance_rows(changed),
            "structure": [structure_facts(changed, plane, kind) for plane, kind in pairs],
        },
        note=note,
        draw=lambda: _draw(changed, planes),
        caption="Left: SRCC with the rating, or with unperturbed Q where there are no ratings. "
        "Right: median and quartiles of Q by severity.",
    )


def _nuisance_table(rows: list[NuisanceRow]) -> ReportTable:
    cells = [
        [
            row.plane,
            row.kind,
            number_text(row.srcc),
            number_text(row.srcc_change, sign="+"),
            number_text(row.rank_correlation),
            number_text(row.median_change),
        ]
        for row in rows
    ]
    columns = ["Plane", "Nuisance", "SRCC", "SRCC change", "SRCC with unperturbed Q", "Median change of Q"]
    return ReportTable(columns, cells, title="Nuisance changes that keep all structure")


def structure_table(changed: ChangedScores, pairs: list[tuple[str, str]]) -> ReportTable:
    """Return the median of Q at every severity of some losses, each named by its plane and kind."""
    cells = [
        [
            plane,
            kind,
            *(number_text(value) for value in quartiles(changed, plane, kind)[1]),
            yes_or_no(falls_throughout(changed, plane, kind)),
        ]
        for plane, kind in pairs
    ]
    columns = ["Plane", "Loss", *(f"severity {severity:g}" for severity in SEVERITIES), "falls throughout"]
    return ReportTable(columns, cells, title="Median Q as structure is lost")


def structure_facts(changed: ChangedScores, plane: str, kind: str) -> dict[str, object]:
    """Return the quartiles of Q at every severity of one loss in one plane."""
    lower, median, upper = quartiles(changed, plane, kind)
    return {
        "plane": plane,
        "kind": kind,
        "severities": SEVERITIES,
        "lower": lower,
        "median": median,
        "upper": upper,
        "falls_throughout": falls_throughout(changed, plane, kind),
    }


def _draw(changed: ChangedScores, planes: list[str]) -> Figure:
    width, height = PANEL_INCHES
    columns = 1 + len(changed.degraded)
    figure, panels = new_figure(width * columns + 0.6, height * len(planes) + 0.5, len(planes), columns)
    rows = nuisance_rows(changed)
    for line, plane in zip(panels, planes, strict=True):
        _draw_nuisance(line[0], [row for row in rows if row.plane == plane])
        line[0].set_ylabel(plane, fontsize=10)
        for panel, kind in zip(line[1:], changed.degraded, strict=True):
            _draw_loss(panel, quartiles(changed, plane, kind).tolist())
            panel.set_title(kind, fontsize=9)
    return figure


def _draw_nuisance(panel: Axes, rows: list[NuisanceRow]) -> None:
    rated = not math.isnan(rows[0].srcc)
    draw_bars(panel, [row.kind for row in rows], [row.srcc if rated else row.rank_correlation for row in rows])
    panel.set_title("nuisance", fontsize=9)


def _draw_loss(panel: Axes, values: list[list[float]]) -> None:
    lower, median, upper = values
    panel.fill_between(SEVERITIES, lower, upper, color=MAIN_COLOR, alpha=0.2, linewidth=0)
    panel.plot(SEVERITIES, median, color=MAIN_COLOR, marker=".")
    panel.set_ylim(0, 1)
    panel.tick_params(axis="y", labelsize=7)
    tidy(panel)
