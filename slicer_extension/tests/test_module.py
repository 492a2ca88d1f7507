"""Tests of the module around its panel: keys, menu, scripts, sample, full GPU memory, closed and loaded scenes."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import NUM_FRAMES, ROOT, Clicker, add_browser, add_sequence_browser, results_of, shown
from PySide6 import QtCore, QtTest, QtWidgets
from standin import mrml
from UltrasoundPlaneQCLib.FrameSource import SourceError, openFrames
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder
from UltrasoundPlaneQCLib.Results import Results
from UltrasoundPlaneQCLib.Samples import SAMPLE
from UltrasoundPlaneQCLib.Shortcuts import KEYS
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient

from striq.data.readers import open_cine

MANUAL = ROOT / "docs" / "how-to" / "slicer.md"


# Slice views: B, F, R, G, T, V, S, brackets. Plots: R, S. VTK's 3-D views: C, E, F, J, P, Q, R, S, T, U, W, 3.
VIEW_KEYS = frozenset("BCEFGJPQRSTUVW3")


def press(widget: QtWidgets.QWidget, key: str) -> None:
    modifier = QtCore.Qt.ShiftModifier if key.startswith("Shift+") else QtCore.Qt.NoModifier
    QtTest.QTest.keyClick(widget, getattr(QtCore.Qt, f"Key_{key[-1]}"), modifier)


@pytest.mark.parametrize("key", sorted(KEYS))
def test_keys_press_their_buttons_only_while_the_panel_has_the_focus(done: Clicker, key: str) -> None:
    window = slicer.app.mainWindow()
    beside = QtWidgets.QWidget(window)  # a view
    beside.setFocusPolicy(QtCore.Qt.StrongFocus)
    window.setCentralWidget(beside)
    dock = QtWidgets.QDockWidget(window)
    dock.setWidget(done.widget.parent)
    window.addDockWidget(QtCore.Qt.LeftDockWidgetArea, dock)
    window.show()
    window.activateWindow()
    QtTest.QTest.qWaitForWindowActive(window)
    try:
        button = getattr(done.ui, KEYS[key])
        button.setEnabled(True)
        pressed: list[str] = []
        button.connect("clicked()", lambda: pressed.append(key))
        done.widget.enter()
        beside.setFocus()
        press(beside, key)
        assert pressed == []
        done.widget.enter()
        press(window.focusWidget(), key)
        assert pressed == [key]
        done.ui.planeSelector.setFocus()  # a field that takes text
        press(done.ui.planeSelector, key)
        assert pressed == [key]
        assert f"({key})" in button.toolTip
        assert key not in VIEW_KEYS
    finally:
        dock.setWidget(None)
        done.widget.parent.setParent(None)
        window.removeDockWidget(dock)
        dock.deleteLater()
        window.setCentralWidget(None)
        window.hide()


def test_menu_of_the_data_tree_scores_a_picture(
    clicker: Clicker, browser, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    tree = slicer.qSlicerSubjectHierarchyPluginHandler.instance()
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "numbers")
    assert tree.rightClick(table) == []
    clicker.ui.modelPath.setText(str(tiny_model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    (action,) = tree.rightClick(browser)
    assert action.text == "Score with STRIQ"
    action.trigger()
    assert opened == ["UltrasoundPlaneQC"]
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert all(result.isScored for result in results_of(clicker))


def test_sequence_and_shown_volume_of_a_browser_stand_for_the_browser(
    clicker: Clicker, browser, tiny_model: Path
) -> None:
    clicker.ui.modelPath.setText(str(tiny_model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    clicker.widget.scoreNode(browser.GetMasterSequenceNode())
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    scored = clicker.panel.session.parameters.resultsNode
    assert clicker.ui.inputSelector.currentNode() is browser
    clicker.ui.inputSelector.setCurrentNode(openFrames(browser).volume)
    assert clicker.panel.session.parameters.resultsNode is scored


def test_node_without_pictures_is_refused_by_the_menu(clicker: Clicker) -> None:
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "numbers")
    with pytest.raises(SourceError, match="numbers is a Table"):
        clicker.widget.scoreNode(table)


FULL_CARD = """
import json, os, sys
def say(**answer): print(json.dumps(answer), flush=True)
say(event="ready", protocol=2, version="0", pid=os.getpid())
for line in sys.stdin:
    asked = json.loads(line)
    number = asked["id"]
    if asked["command"] == "load":
        say(event="loaded", id=number, model="m", sha256="0", planes=["a4c"], threshold=0.5, device="cuda", version="0",
            about={}, terms=[])
    elif asked["command"] == "score":
        say(event="notice", id=number, text="The memory of CUDA ran out: the work goes on with the CPU.", device="cpu")
        say(event="finished", id=number, cancelled=False, device="cpu", scored=0, failed=0, total=9)
    elif asked["command"] == "stop":
        break
"""


def test_full_card_is_said_in_the_panel(clicker: Clicker, browser, monkeypatch: pytest.MonkeyPatch) -> None:
    client = WorkerClient([sys.executable, "-c", FULL_CARD])
    holder = clicker.panel.session.logic.holder
    monkeypatch.setattr(holder, "client", client)
    monkeypatch.setattr(holder, "loaded", None)
    monkeypatch.setattr(holder, "_requested", None)
    clicker.score(browser, Path("m"))
    client.stop()
    assert "memory of CUDA ran out" in clicker.ui.statusLabel.text
    assert "on cpu" in clicker.ui.statusLabel.text
    assert results_of(clicker).facts()["device"] == "cpu"


def test_logic_scores_for_scripts(clicker: Clicker, browser, tiny_model: Path) -> None:
    logic = slicer.util.getModuleLogic("UltrasoundPlaneQC")
    table = logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu")
    assert all(result.isScored for result in Results(table))


def test_sample_is_offered_and_its_hash_is_right(clicker: Clicker, scene: mrml.Scene) -> None:
    import hashlib
    import urllib.request

    import SampleData
    from PIL import Image

    (sample,) = SampleData.SampleDataLogic.registered
    with urllib.request.urlopen(sample["uris"]) as stream:
        content = stream.read()
    assert sample["checksums"] == f"SHA256:{hashlib.sha256(content).hexdigest()}"
    assert sample["category"] == "Ultrasound"
    with Image.open(sample["thumbnailFileName"]) as thumbnail:
        assert thumbnail.size == (260, 280)
    path = urllib.request.url2pathname(sample["uris"].removeprefix("file://"))
    sequence = scene.logics["Sequences"].AddSequence(path, slicer.vtkMRMLMessageCollection())
    assert sequence.GetNumberOfDataNodes() >= 20


def test_sample_shows_a_plane_that_the_shipped_model_knows(clicker: Clicker, scene: mrml.Scene) -> None:
    cine = open_cine(SAMPLE)
    chosen = [np.round(cine[index].pixels * 255).astype(np.uint8) for index in (0, len(cine) // 2, len(cine) - 1)]
    clicker.choose(add_browser(np.stack(chosen), scene), "")
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    results = list(results_of(clicker))
    assert {result.plane for result in results} == {"synthetic_four_chamber"}
    assert [result.verdict for result in results] == ["rejected", "accepted", "rejected"]  # a sweep through the plane
    assert "STRIQ ultrasound plane quality" in clicker.ui.aboutLabel.text


def test_scene_that_is_closed_leaves_an_empty_panel(done: Clicker, scene: mrml.Scene) -> None:
    slicer.mrmlScene.Clear(False)
    done.passTime()
    assert done.panel.session.parameters.resultsNode is None
    assert done.ui.frameLabel.text == "No scores yet"
    assert not done.ui.scoreButton.isEnabled()


def test_scene_that_is_closed_while_frames_are_scored_ends_the_run(
    clicker: Clicker, scene: mrml.Scene, cine_pixels, tiny_model: Path
) -> None:
    clicker.choose(add_browser(np.concatenate([cine_pixels] * 12), scene, "long"), tiny_model)
    clicker.click("scoreButton")
    run = clicker.panel.score.run
    clicker.waitFor(lambda: run.done >= 4)
    files = run._scratch.path
    slicer.mrmlScene.Clear(False)
    assert clicker.panel.score.run is None
    assert not files.exists()
    clicker.score(add_browser(cine_pixels, scene, "next"), tiny_model)  # the process is free for the next run
    assert all(result.isScored for result in results_of(clicker))


def test_reloaded_scene_shows_its_results_again(done: Clicker, scene: mrml.Scene, tmp_path: Path) -> None:
    from test_saved_scene import save_and_reload

    done.ui.thresholdSlider.setValue(0.25)
    expected = [result.quality for result in results_of(done)]
    save_and_reload(tmp_path, scene)
    done.passTime()
    assert done.ui.thresholdSlider.value == 0.25
    assert done.ui.resultsTable.rowCount == NUM_FRAMES
    assert [result.quality for result in results_of(done)] == pytest.approx(expected, abs=1e-5)
    done.click("bestButton")
    assert shown(done) == int(np.argmax(expected))
    done.click("rejectButton")
    assert results_of(done)[shown(done)].decidedBy == "user"


def test_new_input_does_not_keep_the_scores_of_another(done: Clicker, scene: mrml.Scene, cine_pixels) -> None:
    other = add_browser(cine_pixels[::-1], scene, "other")
    done.ui.inputSelector.setCurrentNode(other)
    assert done.panel.session.parameters.resultsNode is None
    assert done.ui.frameLabel.text == "No scores yet"


def test_script_of_the_manual_scores_files_without_a_window_and_survives_a_bad_one(
    clicker: Clicker, scene: mrml.Scene, cine_pixels, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (script,) = (block for block in code_blocks(MANUAL) if "sys.argv" in block)
    sequence = add_browser(cine_pixels, scene).GetMasterSequenceNode()
    storage = sequence.CreateDefaultStorageNode()
    storage.SetFileName(str(tmp_path / "cine.seq.nrrd"))
    assert storage.WriteData(sequence)
    expected = clicker.panel.session.logic.scoreSequence(sequence, modelPath=str(tiny_model), device="cpu")
    qualities = [f"{result.quality:.9g}" for result in Results(expected)]
    request, statuses = ModelHolder.request, []

    def load(path: str) -> slicer.vtkMRMLSequenceNode:
        found = scene.logics["Sequences"].AddSequence(path, slicer.vtkMRMLMessageCollection())
        if found is None:
            raise RuntimeError(path)
        add_sequence_browser(found, scene)
        return found

    monkeypatch.setattr(ModelHolder, "request", lambda self, model, _: request(self, model or str(tiny_model), "cpu"))
    monkeypatch.setattr(slicer.util, "loadSequence", load, raising=False)
    monkeypatch.setattr(slicer.util, "exit", statuses.append, raising=False)
    monkeypatch.setattr(slicer.app, "_layouts", None)  # as with --no-main-window
    monkeypatch.setattr(sys, "argv", ["run.py", str(tmp_path / "absent.seq.nrrd"), str(tmp_path / "cine.seq.nrrd")])
    exec(compile(script, "run.py", "exec"), {})
    with (tmp_path / "cine.seq.csv").open() as stream:
        assert [row["quality"] for row in csv.DictReader(stream)] == qualities
    assert statuses == [1]


def code_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
