"""The report on forgetting: JSON, Markdown and a picture, with the projection beside without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.atomic_files import replacing, write_json, write_text
from striq.evaluation.agreement.tables import figure_text, markdown_table
from striq.evaluation.studies.forgetting import Forgetting

PROTECTED, FREE = "with projection", "without projection"


def write_forgetting(results: Mapping[str, Sequence[Forgetting]], output: Path, *, note: str = "") -> str:
    """Write ``forgetting.json``, ``forgetting.md`` and ``forgetting.png``, and return the Markdown.

    Args:
        results: By way of learning, one result per seed.
        output: Folder.
        note: A sentence printed beside every figure.
    """
    plain = {
        way: [
            {"srcc": _plain(one.srcc), "moved": _plain(one.moved), "loss": None if np.isnan(one.loss) else one.loss}
            for one in of_seeds
        ]
        for way, of_seeds in results.items()
    }
    planes = next(iter(results.values()))[0].planes
    write_json(output / "forgetting.json", {"planes": list(planes), "note": note, "seeds": plain})
    text = forgetting_markdown(results, note=note)
    write_text(output / "forgetting.md", text)
    _draw(results, output / "forgetting.png", note)
    return text


def forgetting_markdown(results: Mapping[str, Sequence[Forgetting]], *, note: str = "") -> str:
    """Return a matrix per way of learning, and what each loses, as Markdown."""
    lines: list[str] = []
    for way, of_seeds in results.items():
        planes, mean = of_seeds[0].planes, _mean(of_seeds)
        cells = [
            [f"after {plane}", *("" if np.isnan(v) else figure_text(v) for v in row)]
            for plane, row in zip(planes, mean, strict=True)
        ]
        lines += [f"SRCC, {way}:", "", *markdown_table(["Learned", *planes], cells), ""]
    totals = [
        [
            way,
            _spread([one.final for one in of_seeds]),
            _spread([one.loss for one in of_seeds]),
            figure_text(max(float(np.nanmax(one.moved)) for one in of_seeds)),
        ]
        for way, of_seeds in results.items()
    ]
    titles = ["", "SRCC after the last plane, mean of planes", "forgotten (SRCC)", "largest change of a frame's Q"]
    number = len(next(iter(results.values())))
    seeds = f"{number} seeds" if number > 1 else "one seed"
    method = f"Mean ± standard deviation over {seeds}. Forgotten: SRCC at a plane's own stage minus at the end."
    lines += [*markdown_table(titles, totals), "", method]
    return "\n".join([*lines, *(["", f"**Note:** {note}"] if note else []), ""])


def _mean(of_seeds: Sequence[Forgetting]) -> NDArray[np.float64]:
    return np.mean([one.srcc for one in of_seeds], axis=0)


def _spread(values: Sequence[float]) -> str:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return f"{figure_text(float(np.mean(values)), digits=3)} ± {figure_text(spread, digits=3)}"


def _plain(matrix: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(value) for value in row] for row in matrix]


def _draw(results: Mapping[str, Sequence[Forgetting]], path: Path, note: str) -> None:
    planes = next(iter(results.values()))[0].planes
    side = 1.6 + 0.55 * len(planes)
    figure = Figure(figsize=(side * len(results) + 0.8, side), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for panel, (way, of_seeds) in zip(panels, results.items(), strict=True):
        mean = _mean(of_seeds)
        panel.imshow(mean, cmap="viridis", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(mean):
            if not np.isnan(value):
                color = "white" if value < 0.6 else "black"
                panel.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=color)
        panel.set_xticks(range(len(planes)), planes, rotation=40, ha="right", fontsize=7)
        panel.set_yticks(range(len(planes)), [f"after {plane}" for plane in planes], fontsize=7)
        panel.set_title(f"SRCC, {way}", fontsize=9)
    if note:
        figure.supxlabel(note, fontsize=7)
    with replacing(path) as stream:
        canvas.print_png(stream)
