"""Report of the quality benchmark: ``benchmark.json``, ``benchmark.md`` and ``benchmark.png``."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from matplotlib.figure import Figure

from striq.evaluation.reports.figures import draw_bars, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import counts_text, number_text, yes_or_no
from striq.evaluation.statistics.bootstrap import BootstrapOptions
from striq.evaluation.studies.quality_benchmark import BenchmarkScores
from striq.evaluation.studies.quality_benchmark_decision import (
    FloatArray,
    NestedChoice,
    mean_ranks,
    nested_choice,
    ranks_by_plane,
)
from striq.evaluation.studies.quality_benchmark_measures import (
    MEASURES,
    auc_against_kind,
    measure_all,
    measure_folds,
    other_kinds,
)
from striq.evaluation.studies.quality_benchmark_naming import Naming, name_frames, recognition
from striq.evaluation.studies.quality_benchmark_plane import PlanePart, agreement_rows

REPORT_NAME = "benchmark"
PANEL_INCHES = (2.1, 1.9)


def quality_benchmark_report(
    scores: BenchmarkScores, *, bootstrap: BootstrapOptions | None = None, note: str = ""
) -> StudyReport:
    """Return the report of a benchmark.

    Args:
        scores: Scores of all folds.
        bootstrap: Settings of the intervals.
        note: A sentence printed with every table and picture.
    """
    measured, by_fold = measure_all(scores), measure_folds(scores)
    agreement = agreement_rows(scores, bootstrap or BootstrapOptions())
    names, folds = scores.names, list(range(len(scores.folds)))
    choice = nested_choice(dict(zip(names, by_fold, strict=True)), folds) if len(folds) > 1 else None
    namings = name_frames(scores)
    planes = [PlanePart(scores, plane, measured[:, i], agreement) for i, plane in enumerate(scores.planes)]
    return StudyReport(
        name=REPORT_NAME,
        title="Quality on several planes",
        tables=[
            _decision_table(scores, measured, choice),
            *(table for part in planes for table in part.tables(namings)),
            *_other_scanner_tables(scores),
            _naming_table(scores, namings),
        ],
        facts={
            "scores": names,
            "measures": {name: measure.description for name, measure in MEASURES.items()},
            "folds": len(folds),
            "mean_rank": dict(zip(names, mean_ranks(measured).tolist(), strict=True)),
            "planes": {part.plane: part.facts() for part in planes},
            "measured_by_fold": dict(zip(names, by_fold, strict=True)),
            "nested_choice": None if choice is None else asdict(choice),
            "naming": namings,
            "recognition": recognition(scores),
            "other_scanners": _other_scanner_facts(scores),
        },
        note=note,
        draw=lambda: _draw(scores, measured),
        caption="Each measure by plane, all folds joined; higher is better.",
    )


def _decision_table(scores: BenchmarkScores, measured: FloatArray, choice: NestedChoice | None) -> ReportTable:
    overall, by_plane = mean_ranks(measured), ranks_by_plane(measured)
    order = np.argsort(np.where(np.isnan(overall), np.inf, overall), kind="stable")
    rows = [[scores.names[i], number_text(float(overall[i]), digits=2), *_ranks(by_plane[i])] for i in order]
    remarks = [
        "Rank among the scores, 1 is best: of each measure on each plane, mean over the measures, then over planes. "
        + " ".join(f"{name}: {measure.description}" for name, measure in MEASURES.items())
    ]
    if choice is not None:
        counts = {name: choice.chosen.count(name) for name in scores.names}
        remarks.append(
            f"Nested folds: chosen on the other folds: {counts_text(counts)}. On the folds not chosen on, the choice "
            f"has the mean rank {number_text(choice.mean_rank, digits=2)}."
        )
    return ReportTable(["Score", "Mean rank", *scores.planes], rows, title="Decision", remarks=remarks)


def _ranks(values: FloatArray) -> list[str]:
    return [number_text(value, digits=2) for value in values.tolist()]


def _other_scanner_facts(scores: BenchmarkScores) -> list[dict[str, object]]:
    return [
        {"plane": plane, "against": kind, "auc": {n: auc_against_kind(scores, plane, n, kind) for n in scores.names}}
        for plane in scores.planes
        for kind in other_kinds(scores, plane)
    ]


def _other_scanner_tables(scores: BenchmarkScores) -> list[ReportTable]:
    """Return one table per plane that unseen frames show: its AUC against each other kind of them."""
    tables: list[ReportTable] = []
    for plane in scores.planes:
        kinds = other_kinds(scores, plane)
        rows = [[n, *(number_text(auc_against_kind(scores, plane, n, kind)) for kind in kinds)] for n in scores.names]
        if kinds:
            title = f"AUC of unseen {plane} frames against other unseen frames, scored as {plane}"
            tables.append(ReportTable(["Score", *kinds], rows, title=title, remarks=["Mean over the folds' models."]))
    return tables


def _naming_table(scores: BenchmarkScores, namings: list[Naming]) -> ReportTable:
    found = recognition(scores)
    rows = [
        [
            one.shows,
            "unseen" if one.unseen else "held out",
            yes_or_no(one.known),
            str(one.frames),
            *map(number_text, (one.right, one.none, one.other)),
        ]
        for one in namings
    ]
    remark = (
        f"Accuracy on held-out frames: {number_text(found.accuracy)}. AUROC of held-out frames against unseen ones of "
        f'no known plane, by 1 - p(none): {number_text(found.auroc)}. Right, for what no model knows, is "none".'
    )
    columns = ["Frames of", "", "known", "frames", "named right", "named none", "named another plane"]
    return ReportTable(columns, rows, title="Recognition", remarks=[remark])


def _draw(scores: BenchmarkScores, measured: FloatArray) -> Figure:
    width, height = PANEL_INCHES
    size = (width * len(MEASURES) + 1.2, height * len(scores.planes) + 0.8)
    figure, panels = new_figure(*size, len(scores.planes), len(MEASURES))
    for row, (line, plane) in enumerate(zip(panels, scores.planes, strict=True)):
        line[0].set_ylabel(plane, fontsize=10)
        for column, (panel, name) in enumerate(zip(line, MEASURES, strict=True)):
            draw_bars(panel, scores.names, np.nan_to_num(measured[:, row, column]).tolist())
            panel.set_title(name if not np.isnan(measured[:, row, column]).all() else f"{name}: n/a", fontsize=9)
            if column:
                panel.set_yticklabels([])
    return figure
