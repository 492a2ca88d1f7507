"""Tests of the numbers of the summary and of its page."""

from __future__ import annotations

import base64
import csv
import datetime
import io
import re
import statistics
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from striq.audit.attributes import Attributes
from striq.audit.csv_copy import write_csv_copy
from striq.audit.names import short_names
from striq.audit.page import write_summary
from striq.audit.plan import ArchiveFile, AuditSettings, Plan
from striq.audit.shard_files import AuditRow, write_shard
from striq.audit.summary import AuditSummary, summarize
from striq.scoring.results import FrameResult
from striq.types import FrameScore
from striq.verdict import NO_PLANE
from tests.audit.conftest import write_cine
from tests.reporting.browser import overflow_in_browser
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


def test_an_operator_whose_frames_show_no_plane_is_in_the_table(tmp_path: Path, settings: AuditSettings) -> None:
    blurred, clear = file_of("blurred.dcm", "1.2.1", "N", "Blur"), file_of("clear.dcm", "1.2.2", "N", "Clear")
    mixed = file_of("mixed.dcm", "1.2.3", "N", "Clear")
    rows = [
        *rows_of(blurred, score(0.3, NO_PLANE), score(0.2, NO_PLANE)),
        *rows_of(clear, score(0.8)),
        *rows_of(mixed, score(0.9), score(0.1, NO_PLANE), score(0.4, NO_PLANE)),
    ]
    found = summary_of(tmp_path, settings, rows)
    assert described(found.operators) == [("Blur", [], 0, 2, 1), ("Clear", [0.8, 0.9], 2, 2, 2)]
    assert [study.scores.name for study in found.worst] == ["1.2.2", "1.2.3"]
    assert [(study.scores.name, study.lowest) for study in found.without_plane] == [
        ("1.2.1", ("/archive/blurred.dcm", 1))
    ]
    text = write_summary(tmp_path / "page.html", found).read_text(encoding="utf-8")
    operators = text.split('id="operators"')[1].split("</section>")[0]
    rows_shown = [re.sub(r"<[^>]+>", " ", row).split() for row in operators.split("<tr>")[2:]]
    assert " ".join(rows_shown[0]) == "Blur few studies – – – 2 2 (100 %) 0 % 1"
    assert " ".join(rows_shown[1]).endswith("100 % [100, 100 %] 4 2 (50 %) [0, 67 %] 50 % 2")
    assert "Studies in which no frame shows one of the planes" in text


def test_groups_of_few_studies_are_marked_and_warned_about(tmp_path: Path, settings: AuditSettings) -> None:
    rows = [
        row
        for i in range(15)
        for row in rows_of(file_of(f"{i}.dcm", f"1.2.{i}", "Large" if i < 12 else "Small"), score(i / 15))
    ]
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, settings, rows)).read_text(encoding="utf-8")
    sites = text.split('id="sites"')[1].split("</section>")[0]
    assert "Do not compare groups of few studies." in sites
    marked = {row.split("</bdi>")[0].rpartition(">")[2]: "few studies" in row for row in sites.split("<tr>")[2:]}
    assert marked == {"Large": False, "Small": True}
    assert "[" in re.sub(r"<[^>]+>", "", sites.split("Large")[1])


def test_long_names_of_studies_are_short_with_the_whole_name_at_hand(tmp_path: Path, settings: AuditSettings) -> None:
    uids = [f"1.2.826.0.1.3680043.8.498.{number}" for number in (55512345678, 99912345678, 12300000001)]
    rows = [row for i, uid in enumerate(uids) for row in rows_of(file_of(f"{i}.dcm", uid), score(i / 5))]
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, settings, rows)).read_text(encoding="utf-8")
    shown = dict(re.findall(r'<bdi title="([^"]+)">([^<]+)</bdi><small>', text))
    assert set(shown) == set(uids)
    assert all(uid.endswith(short.removeprefix("…")) and len(short) < 14 for uid, short in shown.items())
    assert len(set(shown.values())) == 3


def test_weeks_lie_where_they_are_in_time_and_are_labelled_with_dates(tmp_path: Path, settings: AuditSettings) -> None:
    days = ("2024-12-30", "2025-01-06", "2025-03-03")  # Mondays, 1 and 8 weeks apart
    rows = [row for i, day in enumerate(days) for row in rows_of(file_of(f"{i}", str(i), day=day), score(0.5))]
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, settings, rows)).read_text(encoding="utf-8")
    chart = text.split('aria-label="Median of Q by week"')[1].split("</svg>")[0]
    first, second, third = (float(x) for x in re.findall(r'<circle cx="([\d.]+)"', chart))
    assert (third - second) / (second - first) == pytest.approx(8, abs=0.02)
    assert re.findall(r">(\d+ \w{3} \d{4})<", chart) == ["30 Dec 2024", "6 Jan 2025", "3 Mar 2025"]
    assert "2025-W01: median 0.50, 1 frames of 1 studies" in chart


def test_labels_of_many_weeks_do_not_overlap(tmp_path: Path, settings: AuditSettings) -> None:
    start = datetime.date(2023, 1, 2)
    days = [(start + datetime.timedelta(weeks=week)).isoformat() for week in range(100)]
    rows = [row for i, day in enumerate(days) for row in rows_of(file_of(f"{i}", str(i), day=day), score(0.5))]
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, settings, rows)).read_text(encoding="utf-8")
    chart = text.split('aria-label="Median of Q by week"')[1].split("</svg>")[0]
    places = [float(x) for x in re.findall(r'<text x="([\d.]+)" y="198\.?0?"', chart)]
    assert 5 <= len(places) <= 12
    assert min(np.diff(places)) >= 95


def test_worst_frames_are_shown_unless_operators_have_pseudonyms(tmp_path: Path, settings: AuditSettings) -> None:
    there = ArchiveFile(str(write_cine(tmp_path / "there.dcm")), attributes=Attributes(study_instance_uid="1.2.1"))
    rows = [*rows_of(there, score(0.8), score(0.2)), *rows_of(file_of("gone.dcm", "1.2.2"), score(0.1))]
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, settings, rows)).read_text(encoding="utf-8")
    (picture,) = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)"', text)
    assert picture[1] == "Frame 1 of there.dcm"
    with Image.open(io.BytesIO(base64.b64decode(picture[0]))) as image:
        assert image.size == (96, 96)
    hidden = replace(settings, hash_operators=True)
    text = write_summary(tmp_path / "page.html", summary_of(tmp_path, hidden, rows)).read_text(encoding="utf-8")
    assert "<img" not in text


def test_csv_holds_the_rows_of_all_parquet_files(tmp_path: Path, settings: AuditSettings) -> None:
    dated = file_of("=1+1.dcm", "1.2.1", "N", "A", "2024-01-31")
    shards = ([*rows_of(dated, score(0.25), "cannot be decoded")], rows_of(file_of("b.dcm"), score(1 / 3)))
    summary_of(tmp_path, settings, *shards)
    files = tuple(tuple(dict.fromkeys(row.file for row in rows)) for rows in shards)
    path = write_csv_copy(tmp_path, Plan(settings, files))
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    whole = pandas.read_parquet(tmp_path)
    assert path.name.startswith("_")  # so that readers of the folder pass over it
    assert list(rows[0]) == list(whole.columns)
    assert [row["source"] for row in rows] == whole["source"].tolist()
    assert [float(row["quality"] or "nan") for row in rows] == pytest.approx(whole["quality"].tolist(), nan_ok=True)
    assert (rows[0]["date"], rows[0]["accepted"], rows[1]["error"]) == ("2024-01-31", "false", "cannot be decoded")


@pytest.mark.slow
def test_page_is_no_wider_than_a_phone(tmp_path: Path, summary: AuditSummary) -> None:
    write_summary(tmp_path / "page.html", summary)
    assert overflow_in_browser(tmp_path / "page.html", 360) == 0


def test_names_that_would_be_alike_are_longer_or_whole() -> None:
    alike = ["1.2.826.0.1.3680043.8.1.123456789", "1.2.826.0.1.3680043.8.2.123456789"]
    found = short_names([*alike, "/a/x.png", "/b/x.png", "/b/y.png"])
    assert len(set(found.values())) == 5
    assert [found[uid] for uid in alike] == ["…1.123456789", "…2.123456789"]
    assert (found["/a/x.png"], found["/b/y.png"]) == ("/a/x.png", "y.png")
