"""The table of an evaluation: agreement with ratings, score beside controls, as JSON and Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from striq.atomic_files import write_json, write_text
from striq.evaluation.statistics.bootstrap import Interval, PairedComparison
from striq.evaluation.statistics.metrics import METRIC_NAMES, Agreement

MEAN = "mean"  # plane name of the rows that average over planes
TITLES = {"srcc": "SRCC", "plcc": "PLCC", "kendall_tau_b": "Kendall tau-b", "auc": "AUC best/worst", "f1": "F1"}


@dataclass(frozen=True)
class EvaluationRow:
    """One score on one plane, or its mean over planes.

    Convention:
        - ``intervals`` has one interval per metric name; resampled are the groups.
        - ``against`` compares the SRCC of the main score with each control; empty in the rows of controls.
    """

    plane: str
    score: str
    agreement: Agreement
    intervals: Mapping[str, Interval]
    against: Mapping[str, PairedComparison] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationTable:
    """Rows of every plane, then of their mean; ``note`` says what a reader of any figure must know."""

    rows: tuple[EvaluationRow, ...]
    main: str
    cut: float
    num_resamples: int
    level: float
    seed: int
    note: str = ""

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes in order, with ``"mean"`` last where there is more than one plane to average."""
        names = tuple(dict.fromkeys(row.plane for row in self.rows))
        return names if len(names) > 2 else names[:1]

    def of_plane(self, plane: str) -> tuple[EvaluationRow, ...]:
        """Return the rows of one plane, the main score first."""
        return tuple(row for row in self.rows if row.plane == plane)


def to_json(table: EvaluationTable) -> dict[str, object]:
    """Return the table as plain JSON values; undefined figures are ``None``."""
    value = _without_nan(asdict(table))
    assert isinstance(value, dict)  # a dataclass becomes one
    return value


def to_markdown(table: EvaluationTable) -> str:
    """Return the table as Markdown: a block per plane and one of the mean, each with the note."""
    return "\n".join(_block(table, plane) for plane in table.planes)


def write_table(table: EvaluationTable, json_path: str | Path, markdown_path: str | Path) -> None:
    """Write both forms of the table."""
    write_json(json_path, to_json(table))
    write_text(markdown_path, to_markdown(table))


def _block(table: EvaluationTable, plane: str) -> str:
    rows = table.of_plane(plane)
    percent = f"{100 * table.level:g} %"
    lines = [f"### {'Mean over planes' if plane == MEAN else plane}", ""]
    lines += markdown_table(
        ["Score", *(TITLES[metric] for metric in METRIC_NAMES), "Frames", "Groups"],
        [
            [
                row.score,
                *(_with_interval(getattr(row.agreement, name), row.intervals[name]) for name in METRIC_NAMES),
                str(row.agreement.num_frames),
                str(row.agreement.num_groups),
            ]
            for row in rows
        ],
    )
    if rows[0].against:
        lines += ["", *markdown_table(
            [f"{table.main} against", "SRCC difference", "one-sided p"],
            [
                [name, _with_interval(found.difference, found.interval, sign="+"), figure_text(found.p_value, digits=4)]
                for name, found in rows[0].against.items()
            ],
        )]  # fmt: skip
    method = f"In brackets: {percent} intervals, {table.num_resamples} resamples of the groups. "
    lines += ["", f"{method}F1: accepted frames against those rated above {table.cut:g}."]
    return "\n".join([*lines, *(["", f"**Note:** {table.note}"] if table.note else []), ""])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; the first column is text, the others are figures."""
    cells = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells]


def _with_interval(value: float, interval: Interval, sign: str = "") -> str:
    if math.isnan(value) or math.isnan(interval.low):
        return figure_text(value, sign=sign)
    low, high = (figure_text(limit, sign=sign) for limit in (interval.low, interval.high))
    return f"{figure_text(value, sign=sign)} [{low}, {high}]"


def figure_text(value: float, *, digits: int = 3, sign: str = "") -> str:
    """Return a figure as tables show it, ``n/a`` where it is undefined."""
    return "n/a" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def _without_nan(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
