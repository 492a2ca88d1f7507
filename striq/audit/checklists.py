"""Completeness of the studies of an audit, by the examination types of its policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from striq.audit.parquet import pyarrow
from striq.audit.plan import AuditSettings
from striq.policies.completeness import Completeness, StudyState, ViewState, check_completeness

COLUMNS = ("plane", "quality", "accepted", "source", "frame", "examination", "date")


class ScoredFrame(NamedTuple):
    """A row of an audit, as far as completeness needs it."""

    plane: str
    quality: float
    accepted: bool
    source: str
    frame: int


@dataclass(frozen=True)
class StudyChecklist:
    """A study and what it has of the planes that its examination type requires.

    Attributes:
        name: StudyInstanceUID, or the path of a file whose study is unknown.
        date: ISO date; empty if unknown.
        found: Its completeness; ``None`` if the policy does not have its examination type.
    """

    name: str
    date: str
    found: Completeness | None

    def planes(self, state: str) -> list[str]:
        """Return the required planes in a state."""
        return [] if self.found is None else [view.plane for view in self.found.views if view.state.value == state]


@dataclass(frozen=True)
class ViewCount:
    """How many studies of an examination type have a required plane."""

    plane: str
    num_present: int
    num_not_accepted: int
    num_missing: int

    @property
    def is_known(self) -> bool:
        """Whether the model knows the plane."""
        return self.num_present + self.num_not_accepted + self.num_missing > 0


@dataclass(frozen=True)
class ExaminationSummary:
    """Completeness of all studies of one examination type.

    Attributes:
        examination: Its name; empty for studies whose type the policy does not have.
        num_studies: Number of studies.
        num_complete: Number of complete ones.
        num_not_assessed: Number of those that have all required planes that the model knows, which are not all.
        incomplete: The others, those of the latest date first.
        views: Counts by required plane.
    """

    examination: str
    num_studies: int
    num_complete: int
    num_not_assessed: int
    incomplete: tuple[StudyChecklist, ...]
    views: tuple[ViewCount, ...]


def study_names(table: Any) -> Any:
    """Return the study of each row: StudyInstanceUID, or the path of the file if that is unknown."""
    return pyarrow.compute.call_function("coalesce", [table["study_instance_uid"], table["source"]])


def check_studies(table: Any, settings: AuditSettings) -> list[StudyChecklist]:
    """Return the checklist of every study; none if the audit has no policy that requires planes.

    Args:
        table: Scored rows of an audit, with the study's columns and those in ``COLUMNS``.
        settings: Settings of the audit.
    """
    policy = settings.rules
    if policy is None or not policy.examinations:
        return []
    studies: dict[str, list[dict[str, Any]]] = {}
    rows = table.select(COLUMNS).to_pylist()
    for name, row in zip(study_names(table).to_pylist(), rows, strict=True):
        studies.setdefault(name, []).append(row)
    return [_checklist(name, rows, settings) for name, rows in studies.items()]


def _checklist(name: str, rows: Sequence[dict[str, Any]], settings: AuditSettings) -> StudyChecklist:
    policy = settings.rules
    description = next((row["examination"] for row in rows if row["examination"]), "")
    date = next((row["date"].isoformat() for row in rows if row["date"]), "")
    examination = None if policy is None else policy.examination_of(description)
    if examination is None:
        return StudyChecklist(name, date, None)
    frames = [ScoredFrame(row["plane"], row["quality"], row["accepted"], row["source"], row["frame"]) for row in rows]
    known = settings.planes or {frame.plane for frame in frames}
    return StudyChecklist(name, date, check_completeness(examination, frames, known))


def summarize_checklists(studies: Sequence[StudyChecklist]) -> tuple[ExaminationSummary, ...]:
    """Return the studies by examination type, those without a type last."""
    names = sorted({_type(study) for study in studies}, key=lambda name: (not name, name))
    return tuple(_summary(name, [study for study in studies if _type(study) == name]) for name in names)


def _type(study: StudyChecklist) -> str:
    return "" if study.found is None else study.found.examination


def _summary(name: str, studies: Sequence[StudyChecklist]) -> ExaminationSummary:
    found = [study.found for study in studies if study.found is not None]
    states = Counter(one.state for one in found)
    counts = Counter((view.plane, view.state) for one in found for view in one.views)
    planes = [view.plane for view in found[0].views] if found else []
    incomplete = [study for study in studies if study.found and study.found.state is StudyState.INCOMPLETE]
    return ExaminationSummary(
        name,
        num_studies=len(studies),
        num_complete=states[StudyState.COMPLETE],
        num_not_assessed=states[StudyState.NOT_ASSESSED],
        incomplete=tuple(sorted(incomplete, key=lambda study: study.date, reverse=True)),
        views=tuple(
            ViewCount(
                plane,
                counts[plane, ViewState.PRESENT],
                counts[plane, ViewState.NOT_ACCEPTED],
                counts[plane, ViewState.MISSING],
            )
            for plane in planes
        ),
    )
