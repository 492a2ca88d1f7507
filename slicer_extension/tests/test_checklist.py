"""Tests of the checklist of a study: required planes, the best accepted frame of each, and what is missing."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from conftest import LPS, Clicker
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from PySide6 import QtCore, QtTest
from standin import mrml
from test_results import TERMS, answer
from test_saved_scene import save_and_reload
from UltrasoundPlaneQCLib import Checklist as Checklist_
from UltrasoundPlaneQCLib.Checklist import (
    Checklist,
    checklistOf,
    checkStudy,
    exampleChecklists,
    exportChecklist,
    keepChecklist,
    readChecklists,
)
from UltrasoundPlaneQCLib.FrameSource import StackFrames
from UltrasoundPlaneQCLib.Results import Results
from UltrasoundPlaneQCLib.ScoreChart import ScoreChart
from UltrasoundPlaneQCLib.Study import Study

LIST = Checklist("cardiac", ("a4c", "psax", "plax", "a2c"))
POLICY = """
format = 1
name = "Ours"
version = "2"

[examinations.short]
required = ["a4c", "plax"]

[examinations.long]
match = ["*long*"]
required = ["a4c", "plax", "psax"]
"""


def addCine(study: Study, name: str, frames: list[tuple[float, str]], planes: tuple[str, ...] = ()) -> Results:
    """Add a scored cine; each frame has a quality and a plane."""
    pixels = np.random.default_rng(0).integers(0, 255, (len(frames), 96, 96), np.uint8)
    volume = slicer.util.addVolumeFromArray(pixels, LPS, name)
    results = Results.create(StackFrames(volume))
    results.setTerms(TERMS)
    results.applyThreshold(0.5)
    named = [answer(index, quality, plane) for index, (quality, plane) in enumerate(frames)]
    for one in named:
        one["plane_probabilities"] = {one["plane"]: 0.8}
    results.store(named)
    if planes:
        results.keepFacts(planes=list(planes))
    study.addNodes([volume])
    return results


@pytest.fixture
def study(scene: mrml.Scene) -> Study:
    """Two cines: A4C accepted in both, PSAX only rejected, PLAX only by the user, A2C not there."""
    made = Study.open()
    known = ("a4c", "psax", "plax", "a2c")
    addCine(made, "one", [(0.6, "a4c"), (0.7, "a4c"), (0.3, "psax"), (0.9, "none")], known)
    second = addCine(made, "two", [(0.8, "a4c"), (0.2, "psax"), (0.1, "plax")], known)
    second.decide(2, "accepted")
    return made


def test_best_accepted_frame_of_each_plane(study: Study) -> None:
    found = {one.plane: one for one in checkStudy(study, LIST)}
    assert {plane: one.state for plane, one in found.items()} == {
        "a4c": "present",
        "psax": "not accepted",
        "plax": "present",
        "a2c": "missing",
    }
    assert (found["a4c"].best.key, found["a4c"].best.frame) == ("2", 0)
    assert (found["psax"].best.key, found["psax"].best.frame) == ("1", 2)
    assert (found["plax"].best.key, found["plax"].best.frame) == ("2", 2)
    assert found["a2c"].best is None


def test_rejected_frame_gives_way_to_one_of_lower_quality(study: Study) -> None:
    study.results("2").decide(0, "rejected")
    best = checkStudy(study, LIST)[0].best
    assert (best.key, best.frame, best.accepted) == ("1", 1, True)


def test_plane_that_no_model_knows_is_told_apart(scene: mrml.Scene) -> None:
    made = Study.open()
    addCine(made, "one", [(0.6, "a4c")], ("a4c", "psax"))
    assert [one.state for one in checkStudy(made, LIST)] == ["present", "missing", "not assessed", "not assessed"]


def test_empty_study_misses_everything() -> None:
    assert {one.state for one in checkStudy(Study.open(), LIST)} == {"missing"}


def test_examples_name_planes_and_say_that_they_are_examples() -> None:
    found = exampleChecklists()
    assert len(found) >= 3
    assert all(one.required and "(example)" in one.name for one in found)


def test_policy_file_gives_its_examination_types(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(POLICY)
    assert readChecklists(path) == [
        Checklist("Ours 2: short", ("a4c", "plax"), POLICY),
        Checklist("Ours 2: long", ("a4c", "plax", "psax"), POLICY),
    ]
    path.write_text("format = 1\nname = 3\n")
    with pytest.raises(ValueError, match=r"ours\.toml"):
        readChecklists(path)


def test_checklist_comes_back_with_the_scene(study: Study, scene: mrml.Scene, tmp_path: Path) -> None:
    keepChecklist(study, LIST)
    save_and_reload(tmp_path, scene)
    again = Study.find()
    assert checklistOf(again) == LIST
    assert [one.state for one in checkStudy(again, LIST)] == ["present", "not accepted", "present", "missing"]


def test_export_has_a_row_per_plane(study: Study, tmp_path: Path) -> None:
    with exportChecklist(study, LIST, tmp_path / "list.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["plane"], row["state"], row["cine"], row["frame"]) for row in rows] == [
        ("a4c", "present", "two", "0"),
        ("psax", "not accepted", "one", "2"),
        ("plax", "present", "two", "2"),
        ("a2c", "missing", "", ""),
    ]


# The tab


@pytest.fixture
def tab(study: Study, clicker: Clicker):
    """The tab of a study with its checklist."""
    keepChecklist(study, LIST)
    clicker.ui.studySection.collapsed = False
    clicker.panel.study.tabs.setCurrentIndex(1)
    clicker.panel.study.checklist.show()
    return clicker.panel.study.checklist


def cells(tab) -> list[tuple[str, ...]]:
    return [row.texts for row in tab.table.rows]


def test_tab_shows_what_is_there_and_what_is_missing(tab) -> None:
    assert cells(tab) == [
        ("a4c", "two", "0", "0.80", "present"),
        ("psax", "one", "2", "0.30", "not accepted"),
        ("plax", "two", "2", "0.10", "present"),
        ("a2c", "", "", "", "missing"),
    ]
    assert tab.statusLabel.text == "2 of 4 planes have an accepted frame.\nMissing: a2c\nNot accepted: psax"
    assert [tab.table.widget.item(row, 0).icon().isNull() for row in range(4)] == [False, False, False, True]


def test_click_goes_to_the_frame(tab, clicker: Clicker) -> None:
    tab.table.widget.cellClicked.emit(1, 0)
    session = clicker.panel.session
    clicker.waitFor(lambda: session.source is not None)
    assert (session.source.name, session.source.currentIndex()) == ("one", 2)
    tab.table.widget.cellClicked.emit(3, 0)  # nothing to show
    assert session.source.name == "one"


def test_verdict_of_the_user_reaches_the_list(tab, clicker: Clicker) -> None:
    tab.table.widget.cellClicked.emit(1, 0)
    clicker.waitFor(lambda: clicker.panel.session.results is not None)
    clicker.click("acceptButton")
    clicker.waitFor(lambda: cells(tab)[1][4] == "present")


def test_choice_of_another_list(tab, study: Study) -> None:
    tab.selector.setCurrentIndex(1)
    assert checklistOf(study) == exampleChecklists()[0]
    tab.selector.setCurrentIndex(0)
    assert checklistOf(study) is None
    assert cells(tab) == []
    assert not tab.exportButton.isEnabled()


def test_policy_file_is_opened(tab, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(POLICY)
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(path))
    QtTest.QTest.mouseClick(tab.openButton, QtCore.Qt.LeftButton)
    assert tab.selector.currentText == "Ours 2: short"
    assert [row[0] for row in cells(tab)] == ["a4c", "plax"]


def test_thresholds_of_a_policy_file_judge_the_study(
    tab, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clicker: Clicker
) -> None:
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID, header.InstitutionName = SecondaryCaptureImageStorage, "1.2.3", "North"
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(tmp_path / "two.dcm", enforce_file_format=True)
    monkeypatch.setattr(Checklist_, "fileOf", lambda _, key: str(tmp_path / "two.dcm") if key == "2" else "")
    path = tmp_path / "ours.toml"
    path.write_text(f'{POLICY}\n[thresholds]\na4c = 0.65\n[sites.north]\nnames = ["North"]\nthreshold = 0.85\n')
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(path))
    chart = ScoreChart.create(study.results("1"))
    QtTest.QTest.mouseClick(tab.openButton, QtCore.Qt.LeftButton)
    clicker.waitFor(lambda: study.results("2").policy is not None)
    assert study.results("1").thresholds() == [0.65, 0.65, 0.5, 0.5]
    assert study.results("1").column("verdict") == ["rejected", "accepted", "rejected", "rejected"]
    assert study.results("2").column("verdict") == ["rejected", "rejected", "accepted"]  # the last one by the user
    lines = chart._lines.GetTable().GetColumnByName("threshold")
    assert [lines.GetValue(row) for row in range(4)] == [0.65, 0.65, 0.5, 0.5]
    assert cells(tab)[0] == ("a4c", "one", "1", "0.70", "present")
    assert "The thresholds of the policy judge the frames." in tab.statusLabel.text
    tab.selector.setCurrentIndex(0)
    clicker.waitFor(lambda: study.results("2").policy is None)
    assert study.results("2").column("verdict") == ["accepted", "rejected", "accepted"]


def test_list_is_hidden_from_a_blind_rater(tab, clicker: Clicker) -> None:
    clicker.panel.session.parameters.isBlind = True
    clicker.passTime()
    assert cells(tab) == []
    assert "Hidden" in tab.statusLabel.text
