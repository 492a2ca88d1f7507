"""Tests of the numbers of the summary and of its page."""

from __future__ import annotations

import datetime
import re
import statistics
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from striq.audit.attributes import Attributes
from striq.audit.page import write_summary
from striq.audit.plan import ArchiveFile, AuditSettings, Plan
from striq.audit.shard_files import AuditRow, write_shard
from striq.audit.summary import AuditSummary, summarize
from striq.scoring.results import FrameResult
from striq.types import FrameScore
from striq.verdict import NO_PLANE
from tests.score_factory import make_score

HOSTILE = "\u202e<script>alert(1)</script>\"'&"


def score(quality: float, plane: str = "a4c", index: int = 0) -> FrameScore:
    return make_score(quality, plane, index=index)


def file_of(name: str, study: str = "", site: str = "", operator: str = "", day: str = "") -> ArchiveFile:
    date = datetime.date.fromisoformat(day) if day else None
    attributes = Attributes(study_instance_uid=study, site=site, operator=operator, date=date)
    return ArchiveFile(f"/archive/{name}", attributes=attributes)


def rows_of(file: ArchiveFile, *scores: FrameScore | str) -> list[AuditRow]:
    """One row per score or, for a text, per frame that failed."""
    return [
        AuditRow(
            file,
            FrameResult(file.path, index, error=one) if isinstance(one, str) else FrameResult(file.path, index, one),
        )
        for index, one in enumerate(scores)
    ]


def summary_of(folder: Path, settings: AuditSettings, *shards: Sequence[AuditRow]) -> AuditSummary:
    files = tuple(tuple(dict.fromkeys(row.file for row in rows)) for rows in shards)
    plan = Plan(settings, files)
    for number, rows in enumerate(shards):
        write_shard(folder, number, rows, plan)
    return summarize(folder, plan)


@pytest.fixture
def summary(tmp_path: Path, settings: AuditSettings) -> AuditSummary:
    """Three studies of two sites in two shards, frames of no plane and failures among them."""
    good = file_of("good.dcm", "1.2.1", "North", "A", "2024-01-01")
    poor = file_of("poor.dcm", "1.2.2", "South", "B", "2024-12-30")
    other = file_of("other.dcm", "1.2.2", "South", "B", "2024-12-30")
    alone = file_of("alone.png")
    broken = file_of("broken.png")
    return summary_of(
        tmp_path,
        settings,
        [
            *rows_of(good, score(0.9), score(0.8, "abdomen"), score(0.7)),
            *rows_of(poor, score(0.1), "cannot be decoded", score(0.2), "cannot be decoded"),
            *rows_of(other, score(0.3), score(0.05, NO_PLANE)),
        ],
        [*rows_of(alone, score(0.4)), AuditRow(broken, FrameResult(broken.path, None, error="broken file"))],
    )


def described(groups: Sequence) -> list[tuple[str, list[float], int, int, int]]:
    return [
        (one.name, one.quality.tolist(), one.num_accepted, one.num_without_plane, one.num_studies) for one in groups
    ]


def test_frames_are_grouped_by_plane(summary: AuditSummary) -> None:
    assert described(summary.planes) == [
        ("a4c", [0.1, 0.2, 0.3, 0.4, 0.7, 0.9], 2, 0, 3),
        ("abdomen", [0.8], 1, 0, 1),
        (NO_PLANE, [0.05], 0, 0, 1),
    ]


def test_sites_and_operators_with_the_lowest_median_come_first(summary: AuditSummary) -> None:
    south, unknown, north = ([0.1, 0.2, 0.3], 0, 1, 1), ([0.4], 0, 0, 1), ([0.7, 0.8, 0.9], 3, 0, 1)
    assert described(summary.sites) == [("South", *south), ("", *unknown), ("North", *north)]
    assert described(summary.operators) == [("B", *south), ("", *unknown), ("A", *north)]


def test_weeks_are_iso_weeks_in_order(summary: AuditSummary) -> None:
    # The 30th of December 2024 is a Monday, of the first week of 2025.
    assert [week.name for week in summary.weeks] == ["", "2024-W01", "2025-W01"]


def test_the_worst_study_comes_first_with_its_worst_file_first(summary: AuditSummary) -> None:
    assert [study.scores.name for study in summary.worst] == ["1.2.2", "/archive/alone.png", "1.2.1"]
    worst = summary.worst[0]
    assert (worst.site, worst.operator, worst.date) == ("South", "B", "2024-12-30")
    assert worst.files == (("/archive/poor.dcm", pytest.approx(0.15)), ("/archive/other.dcm", 0.3))


def test_the_whole_counts_every_frame_and_every_failure(summary: AuditSummary) -> None:
    assert (summary.num_files, summary.num_scored, summary.whole.num_studies) == (5, 8, 3)
    failures = [(file.source, file.num_frames, file.error) for file in summary.unreadable]
    assert failures == [
        ("/archive/poor.dcm", 2, "cannot be decoded"),
        ("/archive/broken.png", None, "broken file"),
    ]


def test_groups_add_up_to_the_whole(tmp_path: Path, settings: AuditSettings) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for number in range(40):
        site, operator, study = (str(generator.integers(high)) for high in (3, 5, 12))
        file = file_of(f"{number:02d}.dcm", study, site, operator, f"2024-01-{number % 28 + 1:02d}")
        planes = generator.choice(["a4c", "abdomen", NO_PLANE], 4)
        rows += rows_of(file, *(score(round(float(generator.uniform()), 4), str(plane)) for plane in planes))
    found = summary_of(tmp_path, settings, rows)
    expected: dict[str, list[float]] = {}
    for row in rows:
        assert row.result.score is not None
        if row.result.score.plane != NO_PLANE:
            expected.setdefault(row.file.attributes.site, []).append(row.result.score.quality)
    for site in found.sites:
        assert site.quantile(0.5) == pytest.approx(statistics.median(expected[site.name]))
    for groups in (found.sites, found.operators, found.weeks):
        assert sum(len(group.quality) for group in groups) == len(found.whole.quality)
        assert sum(group.num_without_plane for group in groups) == found.whole.num_without_plane


@pytest.mark.parametrize("nothing", ["failures", "no plane"])
def test_an_archive_without_a_score_has_a_page(tmp_path: Path, settings: AuditSettings, nothing: str) -> None:
    file = file_of("a.png")
    rows = rows_of(file, "cannot be read") if nothing == "failures" else rows_of(file, score(0.3, NO_PLANE))
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, settings, rows)).read_text(encoding="utf-8")
    assert not re.search(r"\bnan\b", text)
    assert "No frame shows one of the planes." in text


class Elements(HTMLParser):
    """Collects the elements of a page and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br", "line", "rect", "circle", "polygon", "polyline", "th", "td"):
            self.open.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        if tag == (self.open or [""])[-1]:
            self.open.pop()


def test_the_page_is_whole_and_asks_nothing_of_a_network(tmp_path: Path, summary: AuditSummary) -> None:
    text = write_summary(tmp_path / "page.html", summary).read_text(encoding="utf-8")
    page = Elements(text)
    assert page.open == []
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert {reference.partition(":")[0] for reference in page.references} == {"file"}
    assert not re.search(r"https?:|@import|url\(", text)
    assert "default-src 'none'" in text


def test_the_page_says_which_model_and_what_was_found(tmp_path: Path, summary: AuditSummary) -> None:
    text = write_summary(tmp_path / "page.html", summary).read_text(encoding="utf-8")
    for expected in (
        summary.settings.model_sha256,
        "accepted, Q above 0.5",
        "not for diagnosis",
        "a4c",
        "South",
        "2025-W01",
        'href="file:///archive/poor.dcm"',
        "cannot be decoded",
        "43 %",  # 3 of 7 frames that show a plane
    ):
        assert expected in text


def test_hostile_names_stay_text(tmp_path: Path, settings: AuditSettings) -> None:
    hostile = file_of(f"{HOSTILE}.dcm", HOSTILE, HOSTILE, HOSTILE, "2024-01-01")
    found = summary_of(tmp_path, settings, rows_of(hostile, score(0.5, HOSTILE), f"{HOSTILE} failed"))
    text = write_summary(tmp_path / "page.html", found).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "alert(1)" in text
    assert "\u202e" not in text  # would turn the rest of the line around
    assert Elements(text).open == []


def test_long_tables_say_what_they_leave_out(tmp_path: Path, settings: AuditSettings) -> None:
    rows = [row for i in range(60) for row in rows_of(file_of(f"{i}.dcm", "1.2", f"site {i:02d}"), score(i / 60))]
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, settings, rows)).read_text(encoding="utf-8")
    assert "and 10 more, in the Parquet files" in text  # sites
    assert "and 55 more, in the Parquet files" in text  # files of the one study
