"""Table of an evaluation: agreement with ratings of the quality score and its controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from striq.evaluation.statistics.bootstrap import BootstrapOptions, Interval, PairedComparison
from striq.evaluation.statistics.metrics import Agreement

MEAN = "mean"  # plane name of the rows that average over planes


@dataclass(frozen=True)
class EvaluationRow:
    """Agreement of one score on one plane, or its mean over planes.

    Convention:
        - ``intervals`` has one bootstrap interval per metric name.
        - ``against`` compares the SRCC of the main score with that of each control; empty in the rows of controls.
    """

    plane: str
    score: str
    agreement: Agreement
    intervals: Mapping[str, Interval]
    against: Mapping[str, PairedComparison] = field(default_factory=dict[str, PairedComparison])


@dataclass(frozen=True)
class EvaluationTable:
    """Rows of every plane, then of their mean.

    Attributes:
        rows: One row per plane and score, the main score first.
        main: Name of the main score.
        cut: Frames rated above it should be accepted.
        bootstrap: Settings of the intervals.
        note: What a reader of any figure must know.
    """

    rows: tuple[EvaluationRow, ...]
    main: str
    cut: float
    bootstrap: BootstrapOptions
    note: str = ""

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes in order, with ``"mean"`` last if there is more than one plane."""
        names = tuple(dict.fromkeys(row.plane for row in self.rows))
        return names if len(names) > 2 else names[:1]

    def of_plane(self, plane: str) -> tuple[EvaluationRow, ...]:
        """Return the rows of one plane, the main score first."""
        return tuple(row for row in self.rows if row.plane == plane)
