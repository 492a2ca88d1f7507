"""Report of an ablation: each row beside the unchanged settings, over all seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.evaluation.reports.figures import CONTROL_COLOR, MAIN_COLOR, draw_bars, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text, seeds_text, spread_text, yes_or_no
from striq.evaluation.statistics.metrics import mean_and_deviation
from striq.evaluation.studies.ablation_rows import REFERENCE

ROW_INCHES = 0.28
SeedResults = Sequence[Mapping[str, float]]  # SRCC of each plane, seed by seed


@dataclass(frozen=True)
class AblationRow:
    """One row over all seeds; a spread is the standard deviation over seeds, NaN for one seed.

    Attributes:
        name: ``table/row``.
        srcc: Mean SRCC over planes and seeds.
        spread: Spread of the mean over planes.
        difference: Mean difference from the unchanged settings, paired by seed.
        difference_spread: Spread of that difference.
        lower_in_every_seed: Whether the difference is negative for every seed.
        planes: SRCC of each plane, mean over seeds.
    """

    name: str
    srcc: float
    spread: float
    difference: float
    difference_spread: float
    lower_in_every_seed: bool
    planes: dict[str, float]


def compare_with_reference(results: Mapping[str, SeedResults]) -> list[AblationRow]:
    """Return each row's mean over planes and seeds, and its difference from the reference.

    Args:
        results: SRCC of each plane by row and seed; all rows, the reference included, have the same seeds.
    """
    reference = _means(results[REFERENCE])
    rows: list[AblationRow] = []
    for name, of_seeds in results.items():
        means = _means(of_seeds)
        change = means - reference
        rows.append(
            AblationRow(
                name,
                *mean_and_deviation(means),
                *mean_and_deviation(change),
                lower_in_every_seed=name != REFERENCE and bool((change < 0).all()),
                planes={plane: float(np.mean([srcc[plane] for srcc in of_seeds])) for plane in of_seeds[0]},
            )
        )
    return rows


def ablation_report(results: Mapping[str, SeedResults], *, note: str = "") -> StudyReport:
    """Return the report of an ablation.

    Args:
        results: As for :func:`compare_with_reference`.
        note: A sentence printed with every table and picture.
    """
    rows, num_seeds = compare_with_reference(results), len(results[REFERENCE])
    planes = list(rows[0].planes)
    columns = ["Changed", "SRCC, mean of planes", "against full", "lower in every seed", *planes]
    table = ReportTable(columns, [_cells(row) for row in rows], remarks=_remarks(rows, num_seeds))
    return StudyReport(
        name="ablation",
        title="Ablation",
        tables=[table],
        facts={"rows": rows, "seeds": results},
        note=note,
        draw=lambda: _draw(rows, results),
        caption="Bars: mean over planes and seeds. Dots: seeds.",
    )


def _cells(row: AblationRow) -> list[str]:
    compared = row.name != REFERENCE
    return [
        row.name,
        spread_text(row.srcc, row.spread),
        spread_text(row.difference, row.difference_spread, sign="+") if compared else "",
        yes_or_no(row.lower_in_every_seed) if compared else "",
        *map(number_text, row.planes.values()),
    ]


def _remarks(rows: Sequence[AblationRow], num_seeds: int) -> list[str]:
    others = [row.name for row in rows if row.name != REFERENCE and not row.lower_in_every_seed]
    verdict = f"Not lower in every seed: {'; '.join(others)}." if others else "Every change is lower in every seed."
    method = f"{seeds_text(num_seeds)}, paired by seed. "
    method += f"By chance, a change without effect is lower in every seed in one of {2**num_seeds} cases."
    return [verdict, method]


def _means(of_seeds: SeedResults) -> NDArray[np.float64]:
    """Return the mean over planes of each seed."""
    return np.array([np.mean(list(srcc.values())) for srcc in of_seeds])


def _draw(rows: Sequence[AblationRow], results: Mapping[str, SeedResults]) -> Figure:
    figure, ((panel,),) = new_figure(7, 1.4 + ROW_INCHES * len(rows))
    draw_bars(panel, [row.name for row in rows], [row.srcc for row in rows], alpha=0.35)
    for place, row in enumerate(rows):
        color = CONTROL_COLOR if place else MAIN_COLOR
        means = _means(results[row.name])
        panel.plot(means, [place] * len(means), "o", color=color, markersize=3)
    panel.axvline(rows[0].srcc, color=MAIN_COLOR, linewidth=0.8)
    everything = np.concatenate([_means(of_seeds) for of_seeds in results.values()])
    panel.set_xlim(min(0.0, float(everything.min())), min(1.0, float(everything.max()) + 0.05))
    panel.set_xlabel("SRCC, mean of planes", fontsize=8)
    return figure
