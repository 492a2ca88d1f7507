"""Report on forgetting: training with the projection beside training without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.evaluation.reports.figures import draw_matrix, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text, seeds_text, spread_text
from striq.evaluation.statistics.metrics import mean_and_deviation
from striq.evaluation.studies.forgetting import Forgetting

PROTECTED, FREE = "with projection", "without projection"
Results = Mapping[str, Sequence[Forgetting]]  # by variant of the training, one result per seed


def forgetting_report(results: Results, *, note: str = "") -> StudyReport:
    """Return the report on forgetting.

    Args:
        results: One result per seed by variant of the training, :data:`PROTECTED` and :data:`FREE`.
        note: A sentence printed with every table and picture.
    """
    return StudyReport(
        name="forgetting",
        title="Forgetting",
        tables=[*(_matrix_table(variant, of_seeds) for variant, of_seeds in results.items()), _totals_table(results)],
        facts={
            "planes": next(iter(results.values()))[0].planes,
            "seeds": {
                variant: [{"srcc": one.srcc, "moved": one.moved, "loss": one.loss} for one in of_seeds]
                for variant, of_seeds in results.items()
            },
        },
        note=note,
        draw=lambda: _draw(results),
        caption="SRCC with the rating, mean over seeds.",
    )


def _matrix_table(variant: str, of_seeds: Sequence[Forgetting]) -> ReportTable:
    planes, mean = of_seeds[0].planes, _mean(of_seeds)
    cells = [
        [f"after {plane}", *("" if np.isnan(value) else number_text(value) for value in row)]
        for plane, row in zip(planes, mean, strict=True)
    ]
    return ReportTable(["Learned", *planes], cells, title=f"SRCC {variant}")


def _totals_table(results: Results) -> ReportTable:
    cells = [
        [
            variant,
            spread_text(*mean_and_deviation([one.final for one in of_seeds])),
            spread_text(*mean_and_deviation([one.loss for one in of_seeds])),
            number_text(max(float(np.nanmax(one.moved)) for one in of_seeds)),
        ]
        for variant, of_seeds in results.items()
    ]
    columns = [
        "Training",
        "SRCC after the last plane, mean of planes",
        "forgotten (SRCC)",
        "largest change of a frame's Q",
    ]
    number = len(next(iter(results.values())))
    method = f"{seeds_text(number)}. "
    method += "Forgotten: SRCC right after a plane was learned minus SRCC at the end."
    return ReportTable(columns, cells, title="Forgotten", remarks=[method])


def _mean(of_seeds: Sequence[Forgetting]) -> NDArray[np.float64]:
    return np.mean([one.srcc for one in of_seeds], axis=0)


def _draw(results: Results) -> Figure:
    planes = next(iter(results.values()))[0].planes
    side = 1.6 + 0.55 * len(planes)
    figure, panels = new_figure(side * len(results) + 0.8, side + 0.3, columns=len(results))
    for panel, (variant, of_seeds) in zip(panels[0], results.items(), strict=True):
        mean = _mean(of_seeds)
        texts = [[f"{value:.2f}" for value in row] for row in mean]
        draw_matrix(panel, mean, texts, [f"after {plane}" for plane in planes], planes)
        panel.set_title(f"SRCC {variant}", fontsize=9)
    return figure
