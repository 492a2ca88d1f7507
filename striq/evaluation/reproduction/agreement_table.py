"""Table 1: agreement of the score and of the other methods with ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from striq.baselines.extras import REMEDIES
from striq.baselines.protocol import BASELINES
from striq.evaluation.agreement.controls import CONTROLS, MAIN
from striq.evaluation.agreement.report import agreement_report, plane_title, ranks_report
from striq.evaluation.agreement.tables import MEAN, EvaluationTable
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import interval_text, number_text
from striq.evaluation.reproduction.finding import Finding
from striq.evaluation.reproduction.published import published, published_plane, published_srcc
from striq.evaluation.reproduction.run import ReproductionRun
from striq.evaluation.statistics.bootstrap import PairedComparison
from striq.evaluation.statistics.multiple_testing import holm

# Beginning of the name of each of ours, and the paper's name.
METHODS = {
    MAIN: "STRIQ",
    "BRISQUE": "BRISQUE",
    "MSSIM": "MSSIM",
    "ARNIQA": "ARNIQA",
    "SFD-IQA": "SFD-IQA",
    "feature discrimination": "SFD-IQA",
    "Weighted Score": "Weighted Score",
    "CRL-UIQA": "CRL-UIQA",
}
WITHOUT = {
    "boxes": "Weighted Score is left out: it needs boxes of structures (--boxes).",
    "clip": "SFD-IQA on CLIP is left out: it needs weights that the user downloads (--clip); "
    "'feature discrimination (frozen encoder)' stands in for it.",
}


def agreement_table(run: ReproductionRun) -> Finding:
    """Return Table 1."""
    table = _ordered(run.agreement)
    planes = [plane for plane in table.planes if plane != MEAN]
    report = StudyReport(
        name="table1",
        title="Table 1: SRCC with ratings",
        tables=[_srcc_table(table, planes), _difference_table(table, planes)],
        facts={"rows": table.rows, "published": published()["table1"], "cut": table.cut},
        note=run.note,
        draw=agreement_report(table).draw,
        caption=f"Bars: {100 * table.bootstrap.level:g} % bootstrap intervals over groups.",
    )
    ranks = ranks_report(table)
    return Finding(report, _missing(run, planes), () if ranks is None else (ranks,))


def _ordered(table: EvaluationTable) -> EvaluationTable:
    """Return the table with all scores in the order of :func:`in_order`."""
    names = in_order([row.score for row in table.of_plane(table.planes[0])])
    rows = sorted(table.rows, key=lambda row: names.index(row.score))
    by_plane = [replace(row, against=_in_order_of(names, row.against)) for row in rows]
    return replace(table, rows=tuple(row for plane in table.planes for row in by_plane if row.plane == plane))


def _in_order_of(names: Sequence[str], against: Mapping[str, PairedComparison]) -> dict[str, PairedComparison]:
    return {name: against[name] for name in names if name in against}


def published_method(score: str) -> str:
    """Return the paper's name of one of our scores, empty if the paper has none like it."""
    return next((name for start, name in METHODS.items() if score.startswith(start)), "")


def in_order(names: Sequence[str]) -> list[str]:
    """Return names of scores: the main one, those in the paper's order, other baselines, controls."""
    order = list(METHODS.values())

    def place(name: str) -> tuple[int, int]:
        method = published_method(name)
        return (0, order.index(method)) if method else (2 if name in CONTROLS else 1, 0)

    return sorted(names, key=place)


def _srcc_table(table: EvaluationTable, planes: Sequence[str]) -> ReportTable:
    rows = {(row.plane, row.score): row for row in table.rows}
    names = [row.score for row in table.of_plane(planes[0])]
    columns = ["Score", "In the paper"]
    for plane in planes:
        columns += [plane, f"{plane}, paper"]
    cells: list[list[str]] = []
    for name in names:
        line = [name, published_method(name) or ("control" if name in CONTROLS else "")]
        for plane in planes:
            row = rows[plane, name]
            value = published_srcc(plane, published_method(name))
            line += [
                interval_text(row.agreement.srcc, row.intervals["srcc"]),
                "" if math.isnan(value) else number_text(value),
            ]
        cells.append([*line, *([number_text(rows[MEAN, name].agreement.srcc)] if len(planes) > 1 else [])])
    first = [rows[plane, names[0]].agreement for plane in planes]
    counts = "; ".join(
        f"{plane}: {one.num_frames} frames of {one.num_groups} groups" for plane, one in zip(planes, first, strict=True)
    )
    remark = f"{counts}. In brackets: intervals of a bootstrap over groups. The paper's figures are of other frames."
    mean = [plane_title(MEAN).lower()] if len(planes) > 1 else []
    return ReportTable([*columns, *mean], cells, title="SRCC", remarks=[remark])


def _difference_table(table: EvaluationTable, planes: Sequence[str]) -> ReportTable:
    """Return every comparison of every plane, corrected for all of them."""
    found = [
        (plane, name, one) for plane in planes for name, one in table.of_plane(plane)[0].against.items()
    ]  # the main score is the first row of a plane
    corrected = holm([one.p_value for _, _, one in found])
    rows = [
        [
            plane,
            name,
            interval_text(one.difference, one.interval, sign="+"),
            number_text(one.p_value, digits=4),
            number_text(float(p_value), digits=4),
        ]
        for (plane, name, one), p_value in zip(found, corrected, strict=True)
    ]
    remark = f"Paired bootstrap over groups, {table.bootstrap.num_resamples} resamples. "
    remark += "Corrected: by Holm's method, for all rows of this table."
    columns = ["Plane", f"{table.main} against", "SRCC difference", "one-sided p", "corrected p"]
    return ReportTable(columns, rows, title="Differences", remarks=[remark])


def _missing(run: ReproductionRun, planes: Sequence[str]) -> list[str]:
    sentences = [
        "US4QA is not public, and the paper's grades of CAMUS are of both views: its figures stand beside ours for "
        "orientation and are of other frames.",
        "BRISQUE, ARNIQA, SFD-IQA and CRL-UIQA are reimplemented or stood in for; their names say how.",
    ]
    sentences += [WITHOUT[need] for need in REMEDIES if not run.extras.has(need) and _needed(need)]
    absent = [name for name in published()["table1"]["planes"] if name not in map(published_plane, planes)]
    if absent:
        sentences.append(f"No frames of these planes of the paper: {', '.join(absent)}.")
    return sentences


def _needed(need: str) -> bool:
    return any(cls.needs == need for cls in BASELINES.values())
