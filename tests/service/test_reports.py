"""Tests of the command ``report``: results of a program become DICOM objects."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from highdicom.ko import KeyObjectSelectionDocument
from highdicom.sr import MeasurementReport, srread

from striq.service import reports
from striq.service.requests import Report, parse_request
from striq.service.worker import Worker
from tests.reporting.images import write_dicom

HEADER = ("frame", "quality", "verdict", "plane", "decided_by", "error")
ROWS = [
    ("0", "0.75", "accepted", "a4c", "score", ""),
    ("1", "0.25", "accepted", "a4c", "user", ""),
    ("2", "", "not scored", "", "", "The frame is empty."),
]


def write_table(path: Path, rows: Sequence[Sequence[str]] = ROWS) -> str:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *rows])
    return str(path)


def answer_to(request: Any) -> dict[str, Any]:
    sent: list[dict[str, Any]] = []
    Worker(sent.append, lambda: False).handle(request)
    (answer,) = sent
    return answer


def test_report_and_key_frames_of_a_dicom_cine(tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "cine.dcm", 3)
    paths = {"report": str(tmp_path / "out" / "cine.sr.dcm"), "key_object": str(tmp_path / "out" / "cine.ko.dcm")}
    table = write_table(tmp_path / "scores.csv")
    request = Report(id=4, table=table, original=str(image), key_frames=[1], threshold=0.5, sha256="ab", **paths)
    answer = answer_to(request)
    assert answer == {"event": "reported", "id": 4, "files": list(paths.values())}
    content = srread(paths["report"]).content
    assert isinstance(content, MeasurementReport)
    groups = content.get_image_measurement_groups()[1:]
    verdicts = [group.get_qualitative_evaluations()[0].value.value for group in groups]
    assert verdicts == ["accepted", "accepted_user", "not_scored"]
    assert [float(item.value) for group in groups for item in group.get_measurements()] == [0.75, 0.25]
    document = KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(paths["key_object"]))
    assert document.content.get_references()[0].referenced_frame_numbers == [2]
    texts = [item.TextValue for item in document.ContentSequence if item.ValueType == "TEXT"]
    assert texts[-1] == "frame 2: Q 0.250, accepted by a person, a4c"


def test_report_names_the_policy_and_the_threshold_of_each_frame(tmp_path: Path) -> None:
    policy = 'format = 1\nname = "Ours"\nversion = "2"\nthreshold = 0.3\n'
    rows = [[*row, limit] for row, limit in zip([HEADER, *ROWS], ("threshold", "0.6", "0.3", "0.3"), strict=True)]
    table = tmp_path / "scores.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    image, report = str(write_dicom(tmp_path / "cine.dcm", 3)), str(tmp_path / "cine.sr.dcm")
    answer_to(Report(table=str(table), original=image, report=report, threshold=0.5, sha256="ab", policy=policy))
    groups = srread(report).content.get_image_measurement_groups()[1:]
    assert [[float(item.value) for item in one.get_measurements()] for one in groups] == [[0.75, 0.6], [0.25, 0.3], []]
    assert "policy: Ours 2" in str(pydicom.dcmread(report))


def test_captures_of_pictures_that_are_not_dicom(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 9), dtype=np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    answer = answer_to(
        Report(
            table=write_table(tmp_path / "scores.csv"),
            key_frames=[0, 2],
            captures=str(tmp_path / "out"),
            frames=str(tmp_path / "pictures.npy"),
            spacing_mm=[0.3, 0.4],
            patient_id="X",
        )
    )
    images = [pydicom.dcmread(path) for path in answer["files"]]
    np.testing.assert_array_equal(np.stack([image.pixel_array for image in images]), pictures)
    assert [image.ImageComments for image in images] == ["Q 0.750, accepted, a4c", "not scored, no plane"]
    assert {image.PatientID for image in images} == {"X"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Expected a path in one of"),
        ({"report": "r.dcm"}, "'report' needs 'original'"),
        ({"captures": "folder"}, "'captures' needs 'frames'"),
        ({"report": "r.dcm", "original": "a.dcm", "spacing_mm": [1]}, "two numbers"),
    ],
)
def test_command_that_lacks_something_says_what(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Report(table="t.csv", **fields)


def test_errors_are_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, target = str(write_dicom(tmp_path / "cine.dcm", 3)), str(tmp_path / "r.dcm")
    table = write_table(tmp_path / "scores.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    other = Report(table=str(tmp_path / "other.csv"), original=image, report=target)
    assert "none named 'frame'" in answer_to(other)["text"]
    absent = Report(table=table, original=image, key_frames=[7], key_object=target)
    assert "frame 7" in answer_to(absent)["text"]
    monkeypatch.setattr(reports.importlib.util, "find_spec", lambda name: None)
    assert "striq[dicom-sr]" in answer_to(Report(table=table, original=image, report=target))["text"]


def test_line_of_json_becomes_the_command() -> None:
    line = '{"command": "report", "id": 1, "table": "t.csv", "original": "a.dcm", "report": "r.dcm", "key_frames": [1]}'
    assert parse_request(line) == Report(id=1, table="t.csv", original="a.dcm", report="r.dcm", key_frames=[1])
