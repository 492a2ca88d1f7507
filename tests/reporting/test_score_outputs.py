"""Tests of ``striq score --dicom-sr DIR --html FILE``: the reports beside the table, and what never costs the table."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from highdicom.sr import srread

from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameScore
from tests.reporting.images import write_dicom
from tests.test_cli import only_line, read, run, write_cine, write_still


@pytest.fixture
def score(tmp_path: Path, tiny_model: Path) -> Any:
    """Runs ``striq score`` on files and returns the exit status; reports go to ``sr`` and ``report.html``."""

    def run_score(*arguments: Path | str) -> int:
        places = ("--out", tmp_path / "s.csv", "--dicom-sr", tmp_path / "sr", "--html", tmp_path / "report.html")
        return run("score", *arguments, *places, "--model", tiny_model)

    return run_score


def reports_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def page_in(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_reports_tell_what_the_table_tells(score: Any, tmp_path: Path) -> None:
    assert score(write_dicom(tmp_path / "cine.dcm", 3)) == 0
    _cine, *frames = srread(tmp_path / "sr" / "cine.dcm.sr.dcm").content.get_image_measurement_groups()
    page = page_in(tmp_path)
    for row, frame in zip(read(tmp_path / "s.csv"), frames, strict=True):
        assert float(frame.get_measurements()[0].value) == pytest.approx(float(row["quality"]), abs=1e-6)
        verdict = frame.get_qualitative_evaluations()[0].value.value
        assert verdict == ("accepted" if row["accepted"] == "true" else "not_accepted")
        assert re.search(rf"<tr><td>{row['frame']}<td>[^<]*<td>{float(row['quality']):.3f}<td", page)


def test_reports_identify_the_checkpoint_by_its_hash(score: Any, tmp_path: Path, tiny_model: Path) -> None:
    assert score(write_dicom(tmp_path / "cine.dcm", 1)) == 0
    digest = hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    report = pydicom.dcmread(tmp_path / "sr" / "cine.dcm.sr.dcm")
    assert f"model sha256: {digest}" in {
        element.value for element in report.iterall() if element.keyword == "TextValue"
    }
    assert digest in page_in(tmp_path)


def test_mixed_folder_gets_every_row_and_says_what_has_no_report(
    score: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    write_still(folder / "a.png")
    write_dicom(folder / "b.dcm", 2)
    write_dicom(folder / "c.dcm", 2, StudyInstanceUID=None)
    (folder / "d.dcm").write_bytes(bytes(128) + b"DICM" + b"nothing")
    assert score(folder) == 1
    rows = [(Path(row["source"]).name, bool(row["error"])) for row in read(tmp_path / "s.csv")]
    assert rows == [("a.png", False), *[("b.dcm", False)] * 2, *[("c.dcm", False)] * 2, ("d.dcm", True)]
    assert reports_in(tmp_path / "sr") == ["b.dcm.sr.dcm"]
    errors = capsys.readouterr().err.splitlines()
    assert ["a.png: No structured report" in errors[0], "got no StudyInstanceUID" in errors[1]] == [True, True]
    assert len(errors) == 3
    assert all(name in page_in(tmp_path) for name in ("a.png", "b.dcm", "c.dcm", "d.dcm"))


def test_files_of_the_same_name_get_a_report_each(score: Any, tmp_path: Path) -> None:
    for place in ("1", "2"):
        (tmp_path / "in" / place).mkdir(parents=True)
        write_dicom(tmp_path / "in" / place / "cine.dcm", 1)
    assert score(tmp_path / "in") == 0
    assert reports_in(tmp_path / "sr") == ["cine.dcm.sr.dcm", "cine.dcm_2.sr.dcm"]


def test_threshold_of_the_command_line_is_in_the_reports(score: Any, tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "cine.dcm", 1)
    assert score(image, "--threshold", "0.25") == 0
    assert "threshold: 0.25" in str(pydicom.dcmread(tmp_path / "sr" / "cine.dcm.sr.dcm"))
    assert "Q above 0.25" in page_in(tmp_path)


def test_missing_highdicom_is_said_before_any_work(
    score: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert score(write_still(tmp_path / "a.png")) == 2
    assert "pip install 'striq[dicom-sr]'" in only_line(capsys.readouterr().err)
    assert not (tmp_path / "s.csv").exists()


def test_reports_among_the_images_are_refused(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_still(tmp_path / "a.png")
    places = ("--out", tmp_path / "s.csv", "--dicom-sr", tmp_path / "sub" / "sr", "--model", tiny_model)
    assert run("score", tmp_path, *places) == 2
    assert "Name a folder outside" in only_line(capsys.readouterr().err)


@pytest.mark.parametrize("option", ["--html", "--dicom-sr"])
def test_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--out", tmp_path / "s.csv", option, still / "x", "--model", tiny_model) == 2
    assert "cannot be written" in only_line(capsys.readouterr().err)
    assert not (tmp_path / "s.csv").exists()


def test_full_disk_for_a_report_costs_no_row_and_no_other_report(
    score: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [write_dicom(tmp_path / name, 1) for name in ("a.dcm", "b.dcm")]
    save_as = pydicom.Dataset.save_as

    def full(self: pydicom.Dataset, *given: Any, **named: Any) -> None:
        if (tmp_path / "sr" / "a").exists():
            save_as(self, *given, **named)
            return
        (tmp_path / "sr" / "a").touch()
        msg = "No space left on device"
        raise OSError(msg)

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    assert score(*images) == 1
    assert "a.dcm: a report about it cannot be written (OSError: No space left on device)" in only_line(
        capsys.readouterr().err
    )
    assert len(read(tmp_path / "s.csv")) == 2
    assert reports_in(tmp_path / "sr") == ["a", "b.dcm.sr.dcm"]


def test_interruption_leaves_a_page_that_says_so(score: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [write_dicom(tmp_path / name, 2) for name in ("a.dcm", "b.dcm", "c.dcm")]
    iterate = StriqScorer.iterate

    def interrupted(self: StriqScorer, frames: Iterable[Frame], *given: Any, **named: Any) -> Iterator[FrameScore]:
        for found in iterate(self, frames, *given, **named):
            if found.source.endswith("b.dcm"):
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(StriqScorer, "iterate", interrupted)
    assert score(*images) == 130
    assert "2 files are missing here" in page_in(tmp_path)
    assert reports_in(tmp_path / "sr") == ["a.dcm.sr.dcm"]


def test_page_alone_needs_no_highdicom(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--out", tmp_path / "s.csv", "--html", tmp_path / "r.html", "--model", tiny_model) == 0
    assert "a.png" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_black_frame_is_unscored_in_table_report_and_page(score: Any, tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "cine.dcm", 2)
    dataset = pydicom.dcmread(image)
    half = len(dataset.PixelData) // 2
    dataset.PixelData = dataset.PixelData[:half] + bytes(half)
    dataset.save_as(image)
    assert score(image) == 1
    assert [bool(row["error"]) for row in read(tmp_path / "s.csv")] == [False, True]
    frame = srread(tmp_path / "sr" / "cine.dcm.sr.dcm").content.get_image_measurement_groups()[2]
    assert [item.value.value for item in frame.get_qualitative_evaluations()] == ["not_scored"]
    assert frame.get_measurements() == []
    assert "<td>1<td>–<td>–<td" in page_in(tmp_path)


def test_bars_of_the_page_add_up_to_the_score(score: Any, tmp_path: Path) -> None:
    assert score(write_cine(tmp_path / "c.tif")) == 1  # a TIFF has no structured report
    cards = page_in(tmp_path).split('<div class="card">')[1:]
    assert len(cards) == 2
    for card in cards:
        bars = [(float(value), int(weight)) for value, weight in re.findall(r"<dd[^>]*>([\d.]+) × (\d+) %</dd>", card)]
        quality = re.findall(r"Q ([\d.]+) ±", card)[0]
        assert sum(value * weight / 100 for value, weight in bars) == pytest.approx(float(quality), abs=0.025)
