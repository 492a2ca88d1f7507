"""Tests of the structured reports that an audit writes."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from striq.audit.plan import ArchiveFile
from striq.audit.structured_reports import _path
from tests.audit.conftest import write_cine, write_still
from tests.audit.test_command import run
from tests.reporting.test_structured_report import groups_of, words

highdicom = pytest.importorskip("highdicom", reason="needs the extra 'dicom-sr'")


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two complete DICOM cines of one study, and a still."""
    for seed in (1, 2):
        ids = {"StudyInstanceUID": "1.2.77", "SeriesInstanceUID": "1.2.77.1", "StudyDate": "20240101"}
        write_cine(tmp_path / "archive" / f"{seed}.dcm", seed=seed, num_frames=2, SOPInstanceUID=f"1.2.3.{seed}", **ids)
    write_still(tmp_path / "archive" / "still.png")
    return tmp_path / "archive"


def verdicts(report: Path) -> list[str]:
    """Return the verdict of each frame in a report."""
    return [next(iter(words(group).values())) for group in groups_of(report)[1:]]


def test_each_dicom_file_has_a_report_that_follows_the_threshold(
    studies: Path, tmp_path: Path, tiny_model: Path
) -> None:
    given = (studies, "--out", tmp_path / "out", "--model", tiny_model, "--dicom-sr", tmp_path / "sr")
    assert run(*given, "--threshold", 0) == 0
    reports = sorted((tmp_path / "sr").rglob("*"))
    assert [path.relative_to(tmp_path / "sr").as_posix() for path in reports] == [
        "1.2.77",
        "1.2.77/1.2.3.1.sr.dcm",
        "1.2.77/1.2.3.2.sr.dcm",
    ]
    low = [verdicts(path) for path in reports[1:]]
    assert all(len(found) == 2 for found in low)
    written = [path.stat().st_mtime_ns for path in reports[1:]]
    assert run(*given, "--threshold", 0) == 0
    assert [path.stat().st_mtime_ns for path in reports[1:]] == written
    assert run(*given, "--threshold", 1) == 0
    high = [verdicts(path) for path in reports[1:]]
    assert {text for found in high for text in found} == {"not_accepted"}
    assert low != high


def test_a_finished_audit_can_be_reported_later_and_elsewhere(studies: Path, tmp_path: Path, tiny_model: Path) -> None:
    given = (studies, "--out", tmp_path / "out", "--model", tiny_model)
    run(*given)
    for name in ("one", "two"):
        assert run(*given, "--dicom-sr", tmp_path / name) == 0
        assert len(list((tmp_path / name).rglob("*.sr.dcm"))) == 2


def test_a_file_without_identifiers_is_a_failure_and_the_others_are_reported(
    studies: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cine(studies / "bare.dcm", seed=3)
    given = (studies, "--out", tmp_path / "out", "--model", tiny_model, "--dicom-sr", tmp_path / "sr")
    assert run(*given) == 1
    printed = capsys.readouterr()
    assert "bare.dcm: No structured report can be written for this file" in printed.err
    assert "1 structured reports could not be written" in printed.err
    assert len(list((tmp_path / "sr").rglob("*.sr.dcm"))) == 2


@pytest.mark.parametrize("uid", ["../../escape", "/etc", "", "1..2"])
def test_what_is_no_uid_becomes_no_part_of_a_path(uid: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the values are meant to be wrong
        path = write_cine(tmp_path / "a.dcm", StudyInstanceUID=uid, SOPInstanceUID=uid)
    found = _path(Path("/sr"), ArchiveFile(str(path)))
    assert found.parent == Path("/sr/unknown_study")
    assert re.fullmatch(r"[0-9a-f]{16}\.sr\.dcm", found.name)


def test_reports_inside_the_archive_are_refused(studies: Path, tmp_path: Path, tiny_model: Path) -> None:
    given = (studies, "--out", tmp_path / "out", "--model", tiny_model, "--dicom-sr", studies / "sr")
    assert run(*given) == 2
