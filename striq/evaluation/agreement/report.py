"""Report of an evaluation: ``evaluation.json``, ``.md`` and ``.png``, and the SRCC of every fold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from striq.evaluation.agreement.comparison import evaluate_scores
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames
from striq.evaluation.agreement.tables import MEAN, EvaluationTable
from striq.evaluation.reports.critical_difference import critical_difference_report
from striq.evaluation.reports.figures import draw_points, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import interval_text, number_text
from striq.evaluation.statistics.bootstrap import BootstrapOptions
from striq.evaluation.statistics.metrics import METRIC_NAMES, srcc
from striq.evaluation.statistics.rank_tests import FEWEST_BLOCKS, FEWEST_SCORES, compare_ranks

TITLES = {"srcc": "SRCC", "plcc": "PLCC", "kendall_tau_b": "Kendall tau-b", "auc": "AUC best/worst", "f1": "F1"}
PANEL_WIDTH, ROW_HEIGHT, FRAME_HEIGHT = 3.6, 0.42, 1.5  # inches
COLUMNS = 4  # panels side by side


def compare_with_ratings(
    frames: Sequence[RatedFrame], scored: ScoredFrames, output: Path, *, note: str = "", seed: int = 0
) -> EvaluationTable:
    """Compare every score with the ratings and write the reports.

    Args:
        frames: N rated frames.
        scored: Their scores.
        output: Folder for ``evaluation.*``, with three planes or more ``critical_difference.*``, and with several folds
            ``folds.*``.
        note: A sentence printed with every table and picture.
        seed: Seed of the bootstrap.
    """
    table = evaluate_scores(frames, scored, bootstrap=BootstrapOptions(seed), note=note)
    agreement_report(table).write(output)
    if (ranks := ranks_report(table)) is not None:
        ranks.write(output)
    if len({frame.fold for frame in frames}) > 1:
        folds_report(frames, scored, note=note).write(output)
    return table


def agreement_report(table: EvaluationTable) -> StudyReport:
    """Return the report on the agreement of scores with ratings, one table per plane and one of the mean."""
    return StudyReport(
        name="evaluation",
        title="Agreement with human ratings",
        tables=[part for plane in table.planes for part in _tables_of_plane(table, plane)],
        facts={"rows": table.rows, "main": table.main, "cut": table.cut, **asdict(table.bootstrap)},
        note=table.note,
        draw=lambda: _draw(table),
        caption=f"Bars: {100 * table.bootstrap.level:g} % bootstrap intervals over groups.",
    )


def ranks_report(table: EvaluationTable) -> StudyReport | None:
    """Return the report on the mean ranks of the scores over planes; nothing for fewer than three planes or scores."""
    planes = [plane for plane in table.planes if plane != MEAN]
    values = np.array([[row.agreement.srcc for row in table.of_plane(plane)] for plane in planes])
    if len(planes) < FEWEST_BLOCKS or values.shape[1] < FEWEST_SCORES or not np.isfinite(values).all():
        return None
    names = [row.score for row in table.of_plane(planes[0])]
    return critical_difference_report(compare_ranks(values, names), table.main, note=table.note)


def folds_report(frames: Sequence[RatedFrame], scored: ScoredFrames, *, note: str = "") -> StudyReport:
    """Return the report with the SRCC of every score in every plane and fold."""
    ratings = np.array([frame.rating for frame in frames])
    facts: list[dict[str, object]] = []
    rows: list[list[str]] = []
    for plane, fold in sorted({(frame.plane, frame.fold) for frame in frames}):
        chosen = np.array([(frame.plane, frame.fold) == (plane, fold) for frame in frames])
        found = {name: srcc(values[chosen], ratings[chosen]) for name, values in scored.scores.items()}
        facts.append({"plane": plane, "fold": fold, "frames": int(chosen.sum()), "srcc": found})
        rows.append([plane, str(fold + 1), str(chosen.sum()), *map(number_text, found.values())])
    table = ReportTable(["Plane", "Fold", "Frames", *scored.scores], rows)
    return StudyReport("folds", "SRCC with human ratings, fold by fold", [table], {"folds": facts}, note)


def _tables_of_plane(table: EvaluationTable, plane: str) -> list[ReportTable]:
    rows = table.of_plane(plane)
    percent = f"{100 * table.bootstrap.level:g} %"
    method = f"In brackets: {percent} intervals, {table.bootstrap.num_resamples} resamples of the groups. "
    method += f"F1: accepted frames against those rated above {table.cut:g}."
    agreement = ReportTable(
        ["Score", *(TITLES[metric] for metric in METRIC_NAMES), "Frames", "Groups"],
        [
            [
                row.score,
                *(interval_text(getattr(row.agreement, name), row.intervals[name]) for name in METRIC_NAMES),
                str(row.agreement.num_frames),
                str(row.agreement.num_groups),
            ]
            for row in rows
        ],
        title=plane_title(plane),
        remarks=[method],
    )
    differences = ReportTable(
        [f"{table.main} against", "SRCC difference", "one-sided p", "corrected p"],
        [
            [
                name,
                interval_text(found.difference, found.interval, sign="+"),
                number_text(found.p_value, digits=4),
                number_text(found.corrected_p, digits=4),
            ]
            for name, found in rows[0].against.items()
        ],
        remarks=["Corrected: by Holm's method, for the rows of this table. Paired bootstrap over groups."],
    )
    return [agreement, differences] if rows[0].against else [agreement]


def plane_title(plane: str) -> str:
    """Return the heading of a plane's rows."""
    return "Mean over planes" if plane == MEAN else plane


def _draw(table: EvaluationTable) -> Figure:
    """Draw the SRCC of every score with its interval, one panel per plane."""
    num_scores, columns = len(table.of_plane(table.planes[0])), min(COLUMNS, len(table.planes))
    lines = math.ceil(len(table.planes) / columns)
    width, height = 1.4 + PANEL_WIDTH * columns, lines * (FRAME_HEIGHT + ROW_HEIGHT * num_scores)
    figure, panels = new_figure(width, height, lines, columns, shared=True)
    places = [panel for line in panels for panel in line]
    for unused in places[len(table.planes) :]:
        unused.set_axis_off()
    for panel, plane in zip(places, table.planes, strict=False):
        rows = table.of_plane(plane)
        draw_points(
            panel,
            [row.score for row in rows],
            [row.agreement.srcc for row in rows],
            [row.intervals["srcc"] for row in rows],
        )
        panel.set_title(plane_title(plane), fontsize=10)
        panel.set_xlabel("SRCC with rating", fontsize=9)
        panel.tick_params(axis="x", labelbottom=True)
    return figure
