"""What the reproduction of a table or figure found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striq.evaluation.reports.study_report import StudyReport


@dataclass(frozen=True)
class Finding:
    """What a part found.

    Attributes:
        report: Tables, facts and picture; its name is that of the part.
        missing: What differs from the paper's table or figure or is not reproduced, and why; one sentence each.
        also: Further reports that belong to it.
    """

    report: StudyReport
    missing: Sequence[str] = ()
    also: Sequence[StudyReport] = ()
