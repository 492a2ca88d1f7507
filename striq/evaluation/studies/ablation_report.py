"""The report on ablations: JSON, Markdown and a picture, each row beside the unchanged settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.atomic_files import replacing, write_json, write_text
from striq.evaluation.agreement.figures import CONTROL_COLOR, MAIN_COLOR
from striq.evaluation.agreement.tables import figure_text, markdown_table
from striq.evaluation.studies.ablation import REFERENCE

ROW_INCHES = 0.28


@dataclass(frozen=True)
class AblationRow:
    """One row over all seeds; a spread is the standard deviation over seeds, NaN for one seed.

    Attributes:
        name: ``table/row``.
        srcc: Mean over planes and seeds.
        spread: Of the mean over planes.
        difference: Mean difference to the unchanged settings, seed by seed.
        difference_spread: Of that difference.
        hurts: The difference is negative for every seed.
        planes: SRCC of each plane, mean over seeds.
    """

    name: str
    srcc: float
    spread: float
    difference: float
    difference_spread: float
    hurts: bool
    planes: dict[str, float]


def summarize(results: Mapping[str, Sequence[Mapping[str, float]]]) -> list[AblationRow]:
    """Return one summary per row.

    Args:
        results: Of each row, the SRCC of each plane seed by seed; the same seeds for all rows, the reference included.
    """
    reference = _means(results[REFERENCE])
    rows = []
    for name, of_seeds in results.items():
        means = _means(of_seeds)
        change = means - reference
        planes = {plane: float(np.mean([srcc[plane] for srcc in of_seeds])) for plane in of_seeds[0]}
        hurts = name != REFERENCE and bool((change < 0).all())
        figures = (float(means.mean()), _spread(means), float(change.mean()), _spread(change))
        rows.append(AblationRow(name, *figures, hurts, planes))
    return rows


def write_ablation(results: Mapping[str, Sequence[Mapping[str, float]]], output: Path, *, note: str = "") -> str:
    """Write ``ablation.json``, ``ablation.md`` and ``ablation.png``, and return the Markdown.

    Args:
        results: As for :func:`summarize`.
        output: Folder.
        note: A sentence printed beside every figure.
    """
    rows = summarize(results)
    text = ablation_markdown(rows, num_seeds=len(results[REFERENCE]), note=note)
    write_json(output / "ablation.json", {"note": note, "rows": [asdict(row) for row in rows], "seeds": dict(results)})
    write_text(output / "ablation.md", text)
    _draw(rows, results, output / "ablation.png", note)
    return text


def ablation_markdown(rows: Sequence[AblationRow], *, num_seeds: int, note: str = "") -> str:
    """Return the table as Markdown."""
    planes = list(rows[0].planes)
    cells = [
        [
            row.name,
            f"{figure_text(row.srcc)} ± {figure_text(row.spread)}",
            ""
            if row.name == REFERENCE
            else f"{figure_text(row.difference, sign='+')} ± {figure_text(row.difference_spread)}",
            "" if row.name == REFERENCE else ("yes" if row.hurts else "no"),
            *(figure_text(row.planes[plane]) for plane in planes),
        ]
        for row in rows
    ]
    lines = markdown_table(["Changed", "SRCC, mean of planes", "against full", "hurts", *planes], cells)
    seeds = f"{num_seeds} seeds" if num_seeds > 1 else "one seed"
    method = f"Mean ± standard deviation over {seeds}. Hurts: lower than the full method for every seed"
    method += f", which happens by chance to one harmless change in {2**num_seeds}."
    harmless = [row.name for row in rows if row.name != REFERENCE and not row.hurts]
    verdict = f"Does not hurt: {'; '.join(harmless)}." if harmless else "Every change hurts."
    return "\n".join([*lines, "", verdict, "", method, *(["", f"**Note:** {note}"] if note else []), ""])


def _means(of_seeds: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
    return np.array([np.mean(list(srcc.values())) for srcc in of_seeds])


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _draw(
    rows: Sequence[AblationRow], results: Mapping[str, Sequence[Mapping[str, float]]], path: Path, note: str
) -> None:
    figure = Figure(figsize=(7, 1.4 + ROW_INCHES * len(rows)), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panel: Axes = figure.subplots()
    for place, row in enumerate(rows):
        color = MAIN_COLOR if row.name == REFERENCE else CONTROL_COLOR
        panel.barh(place, row.srcc, color=color, alpha=0.35)
        panel.plot(_means(results[row.name]), [place] * len(results[row.name]), "o", color=color, markersize=3)
    panel.axvline(rows[0].srcc, color=MAIN_COLOR, linewidth=0.8)
    panel.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=7)
    panel.invert_yaxis()
    everything = np.concatenate([_means(of_seeds) for of_seeds in results.values()])
    panel.set_xlim(min(0.0, float(everything.min())), min(1.0, float(everything.max()) + 0.05))
    panel.set_xlabel("SRCC, mean of planes; dots: seeds", fontsize=8)
    panel.tick_params(axis="x", labelsize=7)
    if note:
        figure.supxlabel(note, fontsize=7)
    with replacing(path) as stream:
        canvas.print_png(stream)
