"""Summary of an audit: distributions of the score by plane, site, operator and week, and the worst studies."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.audit.checklists import ExaminationSummary, check_studies, study_names, summarize_checklists
from striq.audit.intervals import FEW_STUDIES, NO_INTERVALS, GroupIntervals, group_intervals
from striq.audit.layout import shard_path
from striq.audit.parquet import pyarrow
from striq.audit.plan import AuditSettings, Plan
from striq.audit.shard_files import GONE_COLUMN
from striq.verdict import NO_PLANE

COLUMNS = (
    "source",
    "frame",
    "plane",
    "quality",
    "accepted",
    "threshold",
    "error",
    "study_instance_uid",
    "site",
    "operator",
    "date",
    "examination",
)
NUM_WORST = 100  # studies listed


@dataclass(frozen=True)
class Distribution:
    """Scores of one group of frames.

    Attributes:
        name: Name of the plane, site, operator or week; empty if unknown.
        quality: Q of the frames that show one of the model's planes, sorted, shape ``(N,)``.
        num_accepted: Number of accepted frames.
        num_without_plane: Number of frames that show none of the planes.
        num_studies: Number of studies.
        intervals: 95 % intervals of its figures, over studies.
        threshold: Threshold of all its frames; ``None`` if they have several.
    """

    name: str
    quality: NDArray[np.float64]
    num_accepted: int
    num_without_plane: int
    num_studies: int
    intervals: GroupIntervals = NO_INTERVALS
    threshold: float | None = None

    @property
    def num_frames(self) -> int:
        """Number of all scored frames, with or without a plane."""
        return len(self.quality) + self.num_without_plane

    @property
    def is_small(self) -> bool:
        """Whether the group has too few studies to be compared."""
        return self.num_studies < FEW_STUDIES

    def quantile(self, share: float) -> float:
        """Return the Q below which this share of the frames lies."""
        return float(np.quantile(self.quality, share)) if len(self.quality) else float("nan")


@dataclass(frozen=True)
class StudySummary:
    """One study, or one file whose study is unknown.

    Attributes:
        scores: Scores of its frames; their name is the StudyInstanceUID or the path.
        site: Where it was recorded.
        operator: Who recorded it.
        date: ISO date.
        files: Path and median Q of each file, lowest median first; of a study without a plane, of all its frames.
        lowest: Path and number of the frame with the lowest Q in the first of these files.
    """

    scores: Distribution
    site: str
    operator: str
    date: str
    files: tuple[tuple[str, float], ...]
    lowest: tuple[str, int]


@dataclass(frozen=True)
class Unreadable:
    """A file with frames that could not be scored; ``num_frames`` is ``None`` if it could not be opened."""

    source: str
    num_frames: int | None
    error: str

    @property
    def num_failed(self) -> int:
        """Number of frames that could not be scored; 0 for a file that could not be opened."""
        return self.num_frames or 0


@dataclass(frozen=True)
class AuditSummary:
    """Content of the summary page.

    Attributes:
        settings: Settings of the audit.
        num_files: Number of files of the archive as it is.
        num_gone: Number of files that are gone; their frames count nowhere.
        whole: Scores of all frames.
        planes: Scores by plane; those of frames that show none of the planes last.
        sites: Scores by site, those without a plane and the lowest median first.
        operators: Scores by operator, likewise.
        weeks: Scores by ISO week, in order of time.
        worst: Studies, lowest median first.
        without_plane: Studies in which no frame shows one of the planes, most frames first.
        num_without_plane: Number of all such studies.
        unreadable: Files with frames that could not be scored.
        checklists: Studies by examination type, if the audit has a policy that requires planes.
    """

    settings: AuditSettings
    num_files: int
    num_gone: int
    whole: Distribution
    planes: tuple[Distribution, ...]
    sites: tuple[Distribution, ...]
    operators: tuple[Distribution, ...]
    weeks: tuple[Distribution, ...]
    worst: tuple[StudySummary, ...]
    without_plane: tuple[StudySummary, ...]
    num_without_plane: int
    unreadable: tuple[Unreadable, ...]
    checklists: tuple[ExaminationSummary, ...] = ()

    @property
    def num_scored(self) -> int:
        """Number of frames with a score."""
        return len(self.whole.quality) + self.whole.num_without_plane


def summarize(folder: Path, plan: Plan) -> AuditSummary:
    """Return the summary of a finished audit, read from the files of its shards."""
    paths = [shard_path(folder, number) for number in range(len(plan.shards))]
    table = pyarrow.concat_tables(pyarrow.parquet.read_table(path, columns=[*COLUMNS, GONE_COLUMN]) for path in paths)
    table = table.filter(pyarrow.compute.call_function("invert", [table[GONE_COLUMN]]))
    scored = table.filter(table["error"].is_null())
    frames = _Frames(scored)
    studies = frames.by(frames.study, with_intervals=False)
    empty = sorted((study for study in studies if not len(study.quality)), key=lambda study: -study.num_frames)
    return AuditSummary(
        settings=plan.settings,
        num_files=len(plan.files),
        num_gone=plan.num_gone,
        whole=frames.distribution("", np.arange(len(frames.quality))),
        planes=tuple(sorted(frames.by_plane(), key=lambda group: (group.name == NO_PLANE, group.name))),
        sites=_lowest_first(frames.by(frames.column("site"))),
        operators=_lowest_first(frames.by(frames.column("operator"))),
        weeks=tuple(sorted(frames.by(frames.weeks()), key=lambda group: group.name)),
        worst=tuple(frames.describe_study(study) for study in _with_planes(_lowest_first(studies))[:NUM_WORST]),
        without_plane=tuple(frames.describe_study(study) for study in empty[:NUM_WORST]),
        num_without_plane=len(empty),
        unreadable=_unreadable(table.filter(table["error"].is_valid())),
        checklists=summarize_checklists(check_studies(scored, plan.settings)),
    )


@dataclass(frozen=True)
class _Column:
    """A column of strings: its distinct values, and for each row the index of its value."""

    names: list[str]
    codes: NDArray[np.int64]


class _Frames:
    """Scored frames by column."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.quality: NDArray[np.float64] = table["quality"].to_numpy()
        self.accepted: NDArray[np.bool_] = table["accepted"].to_numpy()
        self.threshold: NDArray[np.float64] = table["threshold"].to_numpy()
        self.source = self.column("source")
        self.study = self._encode(study_names(table))
        self.plane = self.column("plane")
        self.shows_plane = np.array([name != NO_PLANE for name in self.plane.names], bool)[self.plane.codes]

    def column(self, name: str) -> _Column:
        """Return a column of the table; unknown values are empty."""
        return self._encode(self.table[name].cast(pyarrow.string()).fill_null(""))

    def _encode(self, values: Any) -> _Column:
        encoded = pyarrow.chunked_array(values.chunks, values.type).combine_chunks().dictionary_encode()
        return _Column(encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64))

    def weeks(self) -> _Column:
        """Return the ISO week of every frame, such as ``2024-W05``."""
        days = self.column("date")
        names = [_week(datetime.date.fromisoformat(day)) if day else "" for day in days.names]
        known = sorted(set(names))
        codes = np.array([known.index(name) for name in names], np.int64)
        return _Column(known, codes[days.codes] if names else days.codes)

    def by(self, column: _Column, *, with_intervals: bool = True) -> list[Distribution]:
        """Return a distribution for each value of a column."""
        return [self.distribution(name, rows, with_intervals=with_intervals) for name, rows in _groups(column)]

    def by_plane(self) -> list[Distribution]:
        """Return a distribution for each plane, including one for frames that show none of the planes."""
        return [self.distribution(name, rows, of_none=name == NO_PLANE) for name, rows in _groups(self.plane)]

    def distribution(
        self, name: str, rows: NDArray[np.int64], *, of_none: bool = False, with_intervals: bool = True
    ) -> Distribution:
        """Return the scores of some rows; of frames without a plane only if ``of_none`` is set."""
        shown = rows if of_none else rows[self.shows_plane[rows]]
        return Distribution(
            name=name,
            quality=np.sort(self.quality[shown]),
            num_accepted=int(self.accepted[shown].sum()),
            num_without_plane=len(rows) - len(shown),
            num_studies=len(np.unique(self.study.codes[rows])),
            intervals=self._intervals(rows, of_none=of_none) if with_intervals else NO_INTERVALS,
            threshold=_only(self.threshold[shown]),
        )

    def _intervals(self, rows: NDArray[np.int64], *, of_none: bool) -> GroupIntervals:
        shows = np.ones(len(rows), bool) if of_none else self.shows_plane[rows]
        return group_intervals(self.quality[rows], self.accepted[rows], shows, self.study.codes[rows])

    def describe_study(self, scores: Distribution) -> StudySummary:
        """Return the summary of a study."""
        rows = np.flatnonzero(self.study.codes == self.study.names.index(scores.name))
        shown = rows[self.shows_plane[rows]] if len(scores.quality) else rows
        files = [
            (self.source.names[code], float(np.median(self.quality[shown[self.source.codes[shown] == code]])))
            for code in np.unique(self.source.codes[shown])
        ]
        files = sorted(files, key=lambda file: file[1])
        of_first = shown[self.source.codes[shown] == self.source.names.index(files[0][0])]
        lowest = of_first[self.quality[of_first].argmin()]
        first = self.table.slice(int(rows[0]), 1).to_pylist()[0]
        return StudySummary(
            scores,
            site=first["site"] or "",
            operator=first["operator"] or "",
            date=first["date"].isoformat() if first["date"] else "",
            files=tuple(files),
            lowest=(files[0][0], int(self.table["frame"][int(lowest)].as_py())),
        )


def _only(values: NDArray[np.float64]) -> float | None:
    """Return the value that all have in common, if there is one."""
    return float(values[0]) if len(values) and np.ptp(values) == 0 else None


def _groups(column: _Column) -> list[tuple[str, NDArray[np.int64]]]:
    """Return the rows of each value, in one pass over the column."""
    order = np.argsort(column.codes, kind="stable")
    ends = np.searchsorted(column.codes[order], np.arange(len(column.names)), side="right")
    return list(zip(column.names, np.split(order, ends[:-1]) if len(ends) else [], strict=True))


def _lowest_first(groups: Sequence[Distribution]) -> tuple[Distribution, ...]:
    """Return the groups, lowest median first; before them, those in which no frame shows a plane."""
    return tuple(sorted(groups, key=lambda group: group.quantile(0.5) if len(group.quality) else -1.0))


def _with_planes(groups: Sequence[Distribution]) -> list[Distribution]:
    return [group for group in groups if len(group.quality)]


def _week(day: datetime.date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def _unreadable(table: Any) -> tuple[Unreadable, ...]:
    """Return the files with errors, each with its first error."""
    found: dict[str, Unreadable] = {}
    for row in table.select(["source", "frame", "error"]).to_pylist():
        before = found.get(row["source"])
        if before is None:
            number = None if row["frame"] is None else 1
            found[row["source"]] = Unreadable(row["source"], number, row["error"])
        elif before.num_frames is not None:
            found[row["source"]] = Unreadable(row["source"], before.num_frames + 1, before.error)
    return tuple(found.values())
