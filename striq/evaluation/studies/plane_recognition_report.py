"""Report on plane recognition."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from striq.evaluation.reports.figures import draw_matrix, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import counts_text, number_text
from striq.evaluation.studies.plane_recognition import RecognitionResult
from striq.verdict import NO_PLANE


def recognition_report(result: RecognitionResult, *, note: str = "") -> StudyReport:
    """Return the report on plane recognition.

    Args:
        result: Predicted planes of known and unknown frames.
        note: A sentence printed with every table and picture.
    """
    tables = [_confusion_table(result), _summary_table(result)]
    if result.left_out:
        tables.append(_left_out_table(result))
    return StudyReport(
        name="plane_recognition",
        title="Plane recognition",
        tables=tables,
        facts={
            "planes": result.planes,
            "confusion": result.confusion,
            "accuracy": result.accuracy,
            "accuracy_among_planes": result.accuracy_among_planes,
            "auroc_known_against_unknown": result.auroc,
            "unknown": result.unknown,
            "left_out": result.left_out,
        },
        note=note,
        draw=lambda: _draw(result),
        caption="Number of frames; colors: share of the row.",
    )


def _counts(result: RecognitionResult) -> dict[str, list[int]]:
    """Return the counts of predicted planes for the frames of each plane and of each unknown source."""
    known = zip(result.planes, result.confusion.tolist(), strict=True)
    return {**dict(known), **{f"unknown: {name}": found.tolist() for name, found in result.unknown.items()}}


def _confusion_table(result: RecognitionResult) -> ReportTable:
    cells = [[name, *map(str, counts)] for name, counts in _counts(result).items()]
    return ReportTable(["Frames of", *result.planes, NO_PLANE], cells, title="Predicted planes")


def _summary_table(result: RecognitionResult) -> ReportTable:
    rows = [
        ["accuracy", number_text(result.accuracy)],
        ['accuracy with "none" not allowed', number_text(result.accuracy_among_planes)],
        ["AUROC, known against unknown", number_text(result.auroc)],
        ["unknown frames rejected", number_text(result.rejected)],
    ]
    return ReportTable(["Statistic", "Value"], rows, title="Summary")


def _left_out_table(result: RecognitionResult) -> ReportTable:
    columns = ["Plane left out", "AUROC against the others", "rejected", "accuracy of the others", "predicted planes"]
    rows = [
        [
            one.plane,
            *map(number_text, (one.auroc, one.rejected, one.accuracy)),
            counts_text(one.predicted),
        ]
        for one in result.left_out
    ]
    return ReportTable(columns, rows, title="Planes left out of the fit")


def _draw(result: RecognitionResult) -> Figure:
    counts = _counts(result)
    numbers = np.array(list(counts.values()), dtype=np.float64)
    share = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    texts = [[str(count) for count in row] for row in counts.values()]
    figure, ((panel,),) = new_figure(2.5 + 0.8 * share.shape[1], 1.8 + 0.4 * len(counts))
    draw_matrix(panel, share, texts, list(counts), [*result.planes, NO_PLANE])
    panel.set_xlabel("predicted plane", fontsize=8)
    return figure
