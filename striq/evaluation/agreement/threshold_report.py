"""Report on thresholds: what each accepts, and which one is proposed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from striq.evaluation.reports.figures import CONTROL_COLOR, MAIN_COLOR, new_figure, tidy
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text
from striq.evaluation.statistics.thresholds import Acceptance, JudgedFrames, acceptance_at

STEPS = tuple(round(0.1 * step, 1) for step in range(11))
CURVE = np.linspace(0.0, 1.0, 201)
PANEL_INCHES, PANELS_PER_ROW = (3.2, 2.6), 3
RATED_LINES = {"sensitivity": "#1a7f37", "specificity": "#b45309", "precision": "#7c3aed"}


@dataclass(frozen=True)
class PlaneThresholds:
    """Scores of one plane, the threshold in use and the proposed one.

    Attributes:
        plane: Name of the plane, or of what all planes together are called.
        frames: Scored frames.
        used: Threshold in use.
        proposed: Proposed threshold; ``None`` if there is none.
        reason: Why there is none.
    """

    plane: str
    frames: JudgedFrames
    used: float
    proposed: float | None = None
    reason: str = ""


def threshold_report(planes: Sequence[PlaneThresholds], *, rule: str = "", note: str = "") -> StudyReport:
    """Return the report on the thresholds of planes.

    Args:
        planes: Scores and proposals.
        rule: How thresholds are proposed; empty if none is.
        note: A sentence printed with every table and picture.
    """
    rated = any(of.frames.good.any() or of.frames.bad.any() for of in planes)
    steps = [_rated_table(of) for of in planes] if rated else [_share_table(planes)]
    return StudyReport(
        name="threshold",
        title="Thresholds",
        tables=[_summary_table(planes, rule, rated=rated), *steps],
        facts={"rule": rule, "planes": [_facts(of) for of in planes]},
        note=note,
        draw=lambda: _draw(planes, rated=rated),
        caption="Accepted share of the frames by threshold. Dotted: threshold in use; dashed: proposed.",
    )


def _summary_table(planes: Sequence[PlaneThresholds], rule: str, *, rated: bool) -> ReportTable:
    rows = [
        [
            of.plane,
            which,
            *_counts(of.frames, rated=rated),
            f"{at.threshold:g}",
            *_cells(at, rated=rated),
        ]
        for of in planes
        for which, at in _thresholds(of).items()
    ]
    columns = ["Plane", "Threshold", "Frames", "No known plane", *(["Good", "Bad"] if rated else []), "Value"]
    reasons = [f"{of.plane}: {of.reason}" for of in planes if of.reason]
    accepted = "A frame is accepted if its quality is above the threshold and it shows a known plane."
    remarks = [" ".join(filter(None, (accepted, rule))), *reasons]
    return ReportTable([*columns, *_names(rated=rated)], rows, title="In use and proposed", remarks=remarks)


def _share_table(planes: Sequence[PlaneThresholds]) -> ReportTable:
    rows = [[f"{step:g}", *(number_text(acceptance_at(of.frames, step).share) for of in planes)] for step in STEPS]
    return ReportTable(["Threshold", *(of.plane for of in planes)], rows, title="Accepted share by threshold")


def _rated_table(of: PlaneThresholds) -> ReportTable:
    rows = [[f"{step:g}", *_cells(acceptance_at(of.frames, step), rated=True)] for step in STEPS]
    return ReportTable(["Threshold", *_names(rated=True)], rows, title=f"By threshold: {of.plane}")


def _thresholds(of: PlaneThresholds) -> Mapping[str, Acceptance]:
    values = {"in use": of.used} | ({} if of.proposed is None else {"proposed": of.proposed})
    return {which: acceptance_at(of.frames, value) for which, value in values.items()}


def _counts(frames: JudgedFrames, *, rated: bool) -> list[str]:
    counts = [len(frames.quality), int((~frames.shows_plane).sum())]
    return [str(count) for count in [*counts, *([int(frames.good.sum()), int(frames.bad.sum())] if rated else [])]]


def _names(*, rated: bool) -> list[str]:
    return ["Accepted", "Share", *(["Sensitivity", "Specificity", "Precision", "Balanced accuracy"] if rated else [])]


def _cells(at: Acceptance, *, rated: bool) -> list[str]:
    shares = [at.share, *([at.sensitivity, at.specificity, at.precision, at.balanced_accuracy] if rated else [])]
    return [str(at.num_accepted), *map(number_text, shares)]


def _facts(of: PlaneThresholds) -> dict[str, object]:
    return {
        "plane": of.plane,
        "frames": len(of.frames.quality),
        "no_known_plane": int((~of.frames.shows_plane).sum()),
        "good": int(of.frames.good.sum()),
        "bad": int(of.frames.bad.sum()),
        **{which.replace(" ", "_"): at for which, at in _thresholds(of).items()},
        "reason": of.reason,
        "steps": [acceptance_at(of.frames, step) for step in STEPS],
    }


def _draw(planes: Sequence[PlaneThresholds], *, rated: bool) -> Figure:
    columns = min(PANELS_PER_ROW, len(planes))
    rows = math.ceil(len(planes) / columns)
    width, height = PANEL_INCHES
    figure, grid = new_figure(max(width * columns, 2 * width), height * rows + 0.5, rows, columns, shared=True)
    panels = [panel for line in grid for panel in line]
    for panel, of in zip(panels, planes, strict=False):
        _draw_plane(panel, of, rated=rated)
    for panel in panels[len(planes) :]:
        panel.set_axis_off()
    panels[0].legend(fontsize=7, frameon=False)
    return figure


def _draw_plane(panel: Axes, of: PlaneThresholds, *, rated: bool) -> None:
    curve = [acceptance_at(of.frames, float(threshold)) for threshold in CURVE]
    panel.plot(CURVE, [at.share for at in curve], color=MAIN_COLOR, linewidth=1.8, label="accepted")
    for name, color in RATED_LINES.items() if rated else ():
        panel.plot(CURVE, [getattr(at, name) for at in curve], color=color, linewidth=1.0, label=name)
    panel.axvline(of.used, color=CONTROL_COLOR, linewidth=1.0, linestyle=":")
    if of.proposed is not None:
        panel.axvline(of.proposed, color=CONTROL_COLOR, linewidth=1.2, linestyle="--")
    panel.set_title(f"{of.plane} ({len(of.frames.quality)} frames)", fontsize=9, parse_math=False)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1.02)
    panel.tick_params(axis="y", labelsize=7)
    tidy(panel)
