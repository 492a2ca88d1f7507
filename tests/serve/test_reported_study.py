from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pydicom
import pytest

from striq.serve.history import add_to_day, day_path, read_rows
from striq.serve.layout import Layout
from striq.serve.messages import ReportJob, StudyFigures
from striq.serve.queue import QueuedObject
from striq.serve.scoring import ObjectScorer
from striq.serve.settings import Reports, Scoring
from tests.serve.conftest import Bench, make_settings
from tests.ultrasound_files import phantom_pictures, write_ultrasound

STUDY = "1.2.826.77"
POLICY = """
format = 1
name = "Test"
version = "1"
threshold = 0.1
[examinations.abdomen]
required = ["a4c", "liver"]
"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Any]:
    """A study of two cines and a file without pixels, scored and reported twice, as after a crash."""
    folder = tmp_path_factory.mktemp("study")
    policy = folder / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    scoring = Scoring(model=str(tiny_model), policy=str(policy))
    settings = make_settings(folder / "service", scoring=scoring, reports=Reports(quiet_s=10))
    bench = Bench(settings)
    for number, plane in enumerate(("a4c", "abdomen"), start=1):
        pictures = phantom_pictures(plane, 2)
        file = write_ultrasound(folder / "a.dcm", pictures, series=f"1.3.{number}", study=STUDY, number=number)
        bench.receive(file)
    header = pydicom.dcmread(file)
    del header.PixelData
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = "1.4.1"
    header.save_as(folder / "b.dcm")
    bench.receive(folder / "b.dcm")
    scorer = ObjectScorer(settings, "cpu", 1)
    while isinstance(job := bench.jobs.next(), QueuedObject):
        scorer.score(job)
        bench.queue.finish(job.number)
    bench.clock.time += 100
    job = bench.jobs.next()
    assert isinstance(job, ReportJob)
    runs = [(scorer.report(job), files_of(settings.root / "outbox")) for _ in range(2)]
    return {"job": job, "runs": runs, "layout": Layout(settings.root), "bench": bench}


def files_of(folder: Path) -> dict[str, pydicom.Dataset]:
    return {path.name: pydicom.dcmread(path) for path in folder.rglob("*.dcm")}


def figures(reported: dict[str, Any]) -> StudyFigures:
    return reported["runs"][0][0]


def test_reports_that_are_written_again_are_the_same_instances(reported: dict[str, Any]) -> None:
    (first, before), (second, after) = reported["runs"]
    assert first == second
    assert {name: one.SOPInstanceUID for name, one in before.items()} == {
        name: one.SOPInstanceUID for name, one in after.items()
    }
    assert sorted(before) == ["1.sr.dcm", "2.sr.dcm", "key_objects.dcm"]
    assert len({item.instance_uid for item in first.items}) == len(first.items) == 4


def test_a_file_that_cannot_be_opened_has_no_report_but_rows_and_a_count(reported: dict[str, Any]) -> None:
    assert figures(reported).num_not_scored == 1
    (row,) = read_rows(reported["layout"].result(3))
    assert row["error"]
    assert row["frame"] is None


def test_the_message_counts_and_names_no_patient(reported: dict[str, Any]) -> None:
    (path,) = reported["layout"].outbox.rglob("message.json")
    text = path.read_text(encoding="utf-8")
    message = json.loads(text)
    assert "Synthetic" not in text
    assert (message["objects"], message["objects_without_report"], message["frames"]) == (3, 1, 4)
    assert message["policy"] == "Test 1"
    assert message["completeness"]["examination"] == "abdomen"
    assert {view["plane"]: view["state"] for view in message["completeness"]["views"]}["liver"] == "not assessed"
    assert all(1 <= best["frame"] <= 2 for best in message["best_frames"])


def test_the_page_shows_the_study_without_the_patient(reported: dict[str, Any]) -> None:
    text = reported["layout"].page(STUDY).read_text(encoding="utf-8")
    assert "Synthetic" not in text
    assert "data:image/jpeg" in text
    assert "Test 1" in text


def test_rows_of_a_day_are_there_once(reported: dict[str, Any], tmp_path: Path) -> None:
    layout: Layout = reported["layout"]
    day = day_path(tmp_path, reported["job"].study.first_received)
    assert day.name == "part-20251009.parquet"
    for numbers in ([1], [1, 2, 3], [2]):
        add_to_day(day, [layout.result(number) for number in numbers])
    rows = pyarrow.parquet.read_table(day).to_pylist()
    expected = [row for number in (1, 2, 3) for row in read_rows(layout.result(number))]
    assert sorted(map(place, rows)) == sorted(map(place, expected))
    assert {row["policy_name"] for row in rows} == {"Test"}


def place(row: dict[str, Any]) -> tuple[str, int]:
    return Path(row["source"]).name, row["frame"] or 0


@pytest.mark.parametrize(("kind", "expected"), [("hashed", "operator-"), ("plain", "Jane"), ("none", "")])
def test_operators_are_shown_as_asked_for(tmp_path: Path, kind: str, expected: str) -> None:
    from striq.audit.attributes import Attributes
    from striq.serve.history import Operators

    operators = [Operators(kind, tmp_path / "key") for _ in range(2)]
    shown = {one.hide(replace(Attributes(), operator="Jane")).operator for one in operators}
    assert len(shown) == 1
    assert shown.pop().startswith(expected)
    if kind == "hashed":
        assert (tmp_path / "key").stat().st_mode & 0o077 == 0
