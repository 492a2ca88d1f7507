"""Report of the benchmark beside peers: a table of times, and how they grow as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from matplotlib.figure import Figure

from striq.evaluation.reports.figures import CONTROL_COLOR, MAIN_COLOR, new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.studies.benchmark import NAIVE, Timing
from striq.evaluation.studies.benchmark_peers import STRIQ, Growth

LABELS = {STRIQ: "STRIQ", NAIVE: "naive, at the published width"}


def peers_report(peers: Sequence[Timing], growths: Sequence[Growth], *, device: str, threads: int) -> StudyReport:
    """Return the report.

    Args:
        peers: Time of each method.
        growths: Times while one quantity grows.
        device: Device that computed.
        threads: Threads of the CPU.
    """
    own = next(timing.median_ms for timing in peers if timing.part == STRIQ)
    rows = [
        [
            LABELS.get(timing.part, timing.part),
            f"{timing.median_ms:.1f}",
            f"{timing.fastest_ms:.1f}",
            f"{timing.median_ms / own:.2f}",
        ]
        for timing in sorted(peers, key=lambda timing: timing.median_ms)
    ]
    remark = f"One prepared frame as one plane, {device}, {threads} threads. Each with the features that it needs."
    tables = [ReportTable(["Method", "ms per frame, median", "fastest", "this / STRIQ"], rows, remarks=[remark])]
    tables += [_growth_table(growth) for growth in growths]
    return StudyReport(
        name="peers",
        title="Time of a score beside other methods",
        tables=tables,
        facts={
            "device": device,
            "threads": threads,
            "torch": torch.__version__,
            "peers": peers,
            "growth": [{"quantity": g.quantity, "values": g.values, "times": g.times} for g in growths],
        },
        draw=partial(draw_growth, growths),
        caption=f"Median time of one frame, {device}, {threads} threads. Both axes are logarithmic. "
        "What does not grow: one plane, 20 anchors, 256 x 256 pixels.",
    )


def draw_growth(growths: Sequence[Growth]) -> Figure:
    """Draw one panel per quantity, with a line per method."""
    figure, panels = new_figure(3.4 * len(growths), 3.4, 1, len(growths))
    every = [timing.median_ms for growth in growths for times in growth.times.values() for timing in times]
    for panel, growth in zip(panels[0], growths, strict=True):
        for name, color in ((STRIQ, MAIN_COLOR), (NAIVE, CONTROL_COLOR)):
            medians = [timing.median_ms for timing in growth.times[name]]
            panel.plot(growth.values, medians, marker="o", color=color, label=LABELS[name])
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_ylim(min(every) / 1.3, max(every) * 1.3)
        panel.set_xticks(growth.values, [str(value) for value in growth.values])
        panel.minorticks_off()
        panel.set_xlabel(growth.quantity)
        panel.grid(visible=True, axis="y", which="both", alpha=0.3)
    panels[0][0].set_ylabel("ms per frame")
    figure.legend(*panels[0][0].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=2)
    return figure


def _growth_table(growth: Growth) -> ReportTable:
    rows = [
        [str(value), *(f"{growth.times[name][place].median_ms:.1f}" for name in LABELS)]
        for place, value in enumerate(growth.values)
    ]
    return ReportTable([growth.quantity, *(f"{label}, ms" for label in LABELS.values())], rows)
