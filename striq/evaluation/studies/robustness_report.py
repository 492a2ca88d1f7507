"""The report on robustness: JSON, Markdown and a picture after Figs. 4 and 5 of the paper."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from striq.atomic_files import replacing, write_json, write_text
from striq.evaluation.agreement.figures import CONTROL_COLOR, MAIN_COLOR
from striq.evaluation.agreement.tables import figure_text, markdown_table
from striq.evaluation.studies.robustness import (
    SEVERITIES,
    UNDISTURBED,
    ChangedScores,
    NuisanceRow,
    falls_throughout,
    nuisance_rows,
    quartiles,
)

PANEL_INCHES = (2.4, 2.3)


def write_robustness(changed: ChangedScores, output: Path, *, note: str = "") -> None:
    """Write ``robustness.json``, ``robustness.md`` and ``robustness.png``.

    Args:
        changed: Scores of changed frames.
        output: Folder.
        note: A sentence printed beside every figure.
    """
    write_json(output / "robustness.json", _to_json(changed, note))
    write_text(output / "robustness.md", robustness_markdown(changed, note=note))
    _draw(changed, output / "robustness.png", note)


def robustness_markdown(changed: ChangedScores, *, note: str = "") -> str:
    """Return both tables as Markdown."""
    nuisance = [
        [
            row.plane,
            row.kind,
            figure_text(row.srcc),
            figure_text(row.srcc_change, sign="+"),
            figure_text(row.rank_correlation),
            figure_text(row.median_change),
        ]
        for row in nuisance_rows(changed)
    ]
    structure = [
        [
            plane,
            kind,
            *(figure_text(value) for value in quartiles(changed, plane, kind)[1]),
            "yes" if falls_throughout(changed, plane, kind) else "no",
        ]
        for plane in dict.fromkeys(changed.planes)
        for kind in changed.lost
    ]
    lines = ["### Nuisance: other settings, all structure kept", ""]
    lines += markdown_table(
        ["Plane", "Nuisance", "SRCC", "SRCC change", "SRCC with undisturbed Q", "Median change of Q"], nuisance
    )
    lines += ["", "### Structure lost step by step: median Q", ""]
    lines += markdown_table(
        ["Plane", "Loss", *(f"severity {severity:g}" for severity in SEVERITIES), "falls throughout"], structure
    )
    return "\n".join([*lines, *(["", f"**Note:** {note}"] if note else []), ""])


def _to_json(changed: ChangedScores, note: str) -> dict[str, object]:
    rows = [{name: _plain(value) for name, value in asdict(row).items()} for row in nuisance_rows(changed)]
    structure = [
        {
            "plane": plane,
            "kind": kind,
            "severities": list(SEVERITIES),
            **dict(zip(("lower", "median", "upper"), quartiles(changed, plane, kind).tolist(), strict=True)),
            "falls_throughout": falls_throughout(changed, plane, kind),
        }
        for plane in dict.fromkeys(changed.planes)
        for kind in changed.lost
    ]
    return {"note": note, "nuisance": rows, "structure": structure}


def _plain(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _draw(changed: ChangedScores, path: Path, note: str) -> None:
    planes = tuple(dict.fromkeys(changed.planes))
    width, height = PANEL_INCHES
    columns = 1 + len(changed.lost)
    figure = Figure(figsize=(width * columns + 0.6, height * len(planes) + 0.5), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(len(planes), columns, squeeze=False)
    rows = nuisance_rows(changed)
    for line, plane in zip(panels, planes, strict=True):
        _draw_nuisance(line[0], [row for row in rows if row.plane == plane])
        line[0].set_ylabel(plane, fontsize=10)
        for panel, kind in zip(line[1:], changed.lost, strict=True):
            _draw_loss(panel, quartiles(changed, plane, kind).tolist())
            panel.set_title(kind, fontsize=9)
    caption = (
        "Left: SRCC with the rating, or with undisturbed Q where unrated. Right: median Q and quartiles by severity."
    )
    figure.supxlabel(caption + (f" Note: {note}" if note else ""), fontsize=7, x=0.01, horizontalalignment="left")
    with replacing(path) as stream:
        canvas.print_figure(stream, format="png")


def _draw_nuisance(panel: Axes, rows: list[NuisanceRow]) -> None:
    rated = not math.isnan(rows[0].srcc)
    values = [row.srcc if rated else row.rank_correlation for row in rows]
    colors = [MAIN_COLOR if row.kind == UNDISTURBED else CONTROL_COLOR for row in rows]
    panel.barh(range(len(rows)), values, color=colors)
    panel.set_yticks(range(len(rows)), [row.kind for row in rows], fontsize=8)
    panel.invert_yaxis()
    panel.set_title("nuisance", fontsize=9)
    _tidy(panel)


def _draw_loss(panel: Axes, values: list[list[float]]) -> None:
    lower, median, upper = values
    panel.fill_between(SEVERITIES, lower, upper, color=MAIN_COLOR, alpha=0.2, linewidth=0)
    panel.plot(SEVERITIES, median, color=MAIN_COLOR, marker=".")
    panel.set_ylim(0, 1)
    _tidy(panel)


def _tidy(panel: Axes) -> None:
    panel.tick_params(axis="both", labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
