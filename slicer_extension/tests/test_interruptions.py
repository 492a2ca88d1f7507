"""Tests of interruptions: nodes removed, the scoring process killed, the module left, reloaded or used by a script."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import LPS, Clicker, add_browser, results_of, shown
from standin import mrml
from standin.rendering import SliceView
from UltrasoundPlaneQCLib import Overlays
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder
from UltrasoundPlaneQCLib.Results import KIND, Results
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient

NAME = "UltrasoundPlaneQC"


@pytest.fixture
def long(scene: mrml.Scene, cine_pixels: np.ndarray):
    """A cine that takes a while."""
    return add_browser(np.concatenate([cine_pixels] * 12), scene, "long")


@pytest.fixture
def begun(clicker: Clicker, long, tiny_model: Path) -> Clicker:
    """The panel while it scores the long cine."""
    clicker.choose(long, tiny_model)
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run.done >= 4)
    return clicker


@pytest.fixture
def own_worker(clicker: Clicker, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerClient]:
    """A scoring process that the other tests do not share, so that it can be killed."""
    client = WorkerClient([sys.executable, "-m", "striq.service"])
    holder = clicker.panel.session.logic.holder
    monkeypatch.setattr(holder, "client", client)
    yield client
    ModelHolder.stop(holder)  # so that it loads the model again for the shared process


def kill(client: WorkerClient) -> None:
    """End the process as a crash does; the panel does not notice yet, since no event is handled meanwhile."""
    os.kill(client.processId, signal.SIGKILL)
    while client.isRunning():
        time.sleep(0.01)


def tables() -> list:
    return [node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if node.GetAttribute(KIND)]


def corner(clicker: Clicker) -> str:
    found = clicker.panel.views._corner
    return found.GetInput() if found is not None else ""


def score_next(clicker: Clicker, scene: mrml.Scene, pixels: np.ndarray, model: Path) -> None:
    clicker.score(add_browser(pixels, scene, "next"), model)
    assert all(result.isScored for result in results_of(clicker))


def test_removed_cine_ends_its_run_and_leaves_the_scores_done(
    begun: Clicker, long, scene: mrml.Scene, cine_pixels, tiny_model: Path
) -> None:
    slicer.mrmlScene.RemoveNode(long)
    begun.waitFor(lambda: begun.panel.score.run is None)
    assert "were removed from the scene" in begun.ui.statusLabel.text
    (table,) = tables()
    assert sum(result.isScored for result in Results(table)) >= 4
    score_next(begun, scene, cine_pixels, tiny_model)


def test_removed_pictures_end_the_run_even_before_they_are_read(
    clicker: Clicker, long, scene: mrml.Scene, cine_pixels, tiny_model: Path
) -> None:
    clicker.choose(long, tiny_model)
    clicker.click("scoreButton")
    slicer.mrmlScene.RemoveNode(long.GetMasterSequenceNode())
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert "were removed from the scene" in clicker.ui.statusLabel.text
    score_next(clicker, scene, cine_pixels, tiny_model)


def test_removed_table_ends_its_run(begun: Clicker, scene: mrml.Scene, cine_pixels, tiny_model: Path) -> None:
    slicer.mrmlScene.RemoveNode(begun.panel.session.parameters.resultsNode)
    begun.waitFor(lambda: begun.panel.score.run is None)
    assert begun.panel.session.parameters.resultsNode is None
    assert begun.ui.frameLabel.text == "No scores yet"
    assert slicer.util.getNodesByClass("vtkMRMLPlotChartNode") == []
    score_next(begun, scene, cine_pixels, tiny_model)


def test_removed_plot_is_no_harm(done: Clicker, browser) -> None:
    slicer.mrmlScene.RemoveNode(done.panel.session.parameters.chartNode)
    done.ui.thresholdSlider.setValue(0.2)
    browser.SetSelectedItemNumber(3)
    done.passTime()
    assert done.ui.frameLabel.text.startswith("Frame 3")
    assert not done.ui.layoutButton.isEnabled()


def test_killed_worker_is_said_and_the_next_click_starts_another(
    clicker: Clicker, own_worker: WorkerClient, long, scene: mrml.Scene, cine_pixels, tiny_model: Path
) -> None:
    clicker.choose(long, tiny_model)
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run.done >= 4)
    kill(own_worker)
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert "ended unexpectedly" in clicker.ui.statusLabel.text
    assert sum(result.isScored for result in results_of(clicker)) >= 4  # what was done is kept
    score_next(clicker, scene, cine_pixels, tiny_model)


def test_cancel_after_the_worker_was_killed_ends_the_run(
    clicker: Clicker, own_worker: WorkerClient, long, tiny_model: Path
) -> None:
    clicker.choose(long, tiny_model)
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run.done >= 4)
    kill(own_worker)
    clicker.click("cancelButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert clicker.ui.scoreButton.isEnabled()


def test_device_that_is_absent_is_said_and_another_can_be_chosen(clicker: Clicker, browser, tiny_model: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this computer has CUDA")
    clicker.choose(browser, tiny_model)
    clicker.ui.deviceSelector.setCurrentText("cuda")
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert "cuda" in clicker.ui.statusLabel.text.lower()
    assert tables() == []
    clicker.score(browser, tiny_model)
    assert "on cpu" in clicker.ui.statusLabel.text


def test_unknown_plane_is_said(clicker: Clicker, browser, tiny_model: Path) -> None:
    clicker.ui.planeSelector.setCurrentText("elbow")
    clicker.score(browser, tiny_model)
    assert "elbow" in clicker.ui.statusLabel.text
    assert tables() == []


def test_automatic_device_is_named_when_it_is_known(clicker: Clicker, browser, tiny_model: Path) -> None:
    import torch

    clicker.choose(browser, tiny_model)
    clicker.ui.deviceSelector.setCurrentText("auto")
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert clicker.ui.statusLabel.text.endswith(f"done on {best}")


@pytest.fixture
def live(clicker: Clicker, cine_pixels, tiny_model: Path) -> Clicker:
    """The panel with a stream that runs."""
    volume = slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), ijkToRAS=LPS, name="Image_Reference")
    clicker.ui.modelPath.setText(str(tiny_model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    clicker.ui.liveSelector.setCurrentNode(volume)
    clicker.click("liveButton")
    return clicker


def stream(clicker: Clicker, picture: np.ndarray) -> None:
    """Let one image come and wait for its verdict."""
    before = clicker.panel.live.live.scored
    slicer.util.updateVolumeFromArray(clicker.panel.session.parameters.liveNode, picture[None].copy())
    clicker.waitFor(lambda: clicker.panel.live.live.scored > before)


def test_stream_goes_on_while_another_module_is_open(live: Clicker, cine_pixels) -> None:
    live.widget.enter()
    stream(live, cine_pixels[1])
    live.widget.parent.hide()  # as when the user opens OpenIGTLinkIF
    stream(live, cine_pixels[2])
    assert corner(live) != ""
    live.widget.parent.show()
    live.widget.enter()
    assert live.ui.liveButton.text == "Stop"
    live.click("liveButton")
    assert corner(live) == ""


def test_removed_stream_stops(live: Clicker, cine_pixels) -> None:
    stream(live, cine_pixels[1])
    slicer.mrmlScene.RemoveNode(live.panel.session.parameters.liveNode)
    live.passTime()
    assert not live.panel.live.live.isRunning
    assert not live.ui.liveButton.isEnabled()
    assert live.ui.liveRateLabel.text == ""


def test_scene_that_is_closed_stops_the_stream(live: Clicker, cine_pixels, scene: mrml.Scene) -> None:
    live.click("liveButton")
    live.click("recordCheckBox")
    live.click("liveButton")
    stream(live, cine_pixels[1])
    slicer.mrmlScene.Clear(False)
    assert not live.panel.live.live.isRunning
    live.waitFor(lambda: not live.panel.timer.isActive())  # its next tick finds nothing to do


def test_worker_killed_while_live_stops_the_stream_and_start_begins_again(
    clicker: Clicker, own_worker: WorkerClient, live: Clicker, cine_pixels, caplog: pytest.LogCaptureFixture
) -> None:
    stream(live, cine_pixels[1])
    kill(own_worker)
    live.waitFor(lambda: not live.panel.live.live.isRunning)
    assert "ended unexpectedly" in caplog.text
    live.click("liveButton")
    stream(live, cine_pixels[2])
    assert live.panel.live.live.scored == 1


def test_image_that_cannot_be_written_stops_the_stream_and_raises_in_no_observer(
    live: Clicker, cine_pixels, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream(live, cine_pixels[1])
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(np, "save", lambda *_: (_ for _ in ()).throw(full))
    slicer.util.updateVolumeFromArray(live.panel.session.parameters.liveNode, cine_pixels[2][None].copy())
    live.waitFor(lambda: not live.panel.live.live.isRunning, 20)
    assert "No space left" in caplog.text
    assert live.ui.liveButton.text == "Start"


def test_stream_and_score_exclude_each_other_and_say_so(live: Clicker, browser) -> None:
    live.ui.inputSelector.setCurrentNode(browser)
    assert not live.ui.scoreButton.isEnabled()
    assert live.ui.scoreButton.toolTip == "Stop the live stream first"
    live.click("liveButton")
    live.click("scoreButton")
    assert not live.ui.liveButton.isEnabled()
    assert "being scored" in live.ui.liveButton.toolTip
    assert not live.ui.explainButton.isEnabled()
    live.waitFor(lambda: live.panel.score.run is None)
    assert live.ui.liveButton.isEnabled()
    assert live.ui.explainButton.isEnabled()


def test_streams_one_after_another_leave_one_plot(live: Clicker, cine_pixels) -> None:
    stream(live, cine_pixels[1])
    live.click("liveButton")
    live.click("liveButton")
    stream(live, cine_pixels[2])
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLPlotChartNode")]
    assert names == ["STRIQ live plot"]
    plot = slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode().GetPlotChartNode()
    assert plot.GetName() == "STRIQ live plot"
    assert slicer.util.getNode("STRIQ live quality").GetNumberOfRows() == 1


def test_verdict_of_one_cine_does_not_stay_over_another(done: Clicker, scene: mrml.Scene, cine_pixels) -> None:
    assert "Q " in corner(done)
    done.ui.inputSelector.setCurrentNode(add_browser(cine_pixels[::-1], scene, "other"))
    assert corner(done) == ""


def test_overlay_of_one_cine_does_not_stay_over_another(
    done: Clicker, scene: mrml.Scene, cine_pixels, tiny_model: Path
) -> None:
    done.click("explainButton")
    done.waitFor(lambda: bool(Overlays.shownOverlays()))
    done.score(add_browser(cine_pixels[::-1], scene, "other"), tiny_model)
    assert shown(done) == 0  # the number of the frame that was explained
    assert Overlays.shownOverlays() == []


def test_scores_come_back_with_their_input(done: Clicker, browser, scene: mrml.Scene, cine_pixels) -> None:
    table, chart = done.panel.session.parameters.resultsNode, done.panel.session.parameters.chartNode
    done.ui.inputSelector.setCurrentNode(add_browser(cine_pixels[::-1], scene, "other"))
    assert done.panel.session.parameters.resultsNode is None
    done.ui.thresholdSlider.setValue(1.0)
    done.ui.inputSelector.setCurrentNode(browser)
    assert done.panel.session.parameters.resultsNode is table
    assert done.panel.session.parameters.chartNode is chart
    assert {result.verdict for result in results_of(done)} == {"rejected"}  # judged by the slider
    done.click("bestButton")


def test_script_that_writes_the_parameter_node_moves_the_controls(done: Clicker, browser) -> None:
    parameters = done.panel.session.parameters
    parameters.threshold = 1.0
    assert done.ui.thresholdSlider.value == 1.0
    assert {result.verdict for result in results_of(done)} == {"rejected"}
    parameters.plane, parameters.modelPath, parameters.overlay = "abdomen", "/some/model", "reference"
    assert done.ui.planeSelector.currentText == "abdomen"
    assert done.ui.modelPath.currentPath == "/some/model"
    assert done.ui.overlaySelector.currentText == "reference"
    parameters.inputNode = None
    assert done.ui.inputSelector.currentNode() is None
    assert not done.ui.scoreButton.isEnabled()
    parameters.inputNode = browser
    assert done.ui.inputSelector.currentNode() is browser
    assert done.ui.frameLabel.text.startswith("Frame")


def test_field_that_is_being_typed_into_is_left_alone(clicker: Clicker) -> None:
    clicker.ui.planeSelector.setCurrentText("")
    assert clicker.panel.session.parameters.plane == "auto"
    assert clicker.ui.planeSelector.currentText == ""


@pytest.fixture
def other_code() -> Iterator[None]:
    """Puts the code that was loaded before back afterwards."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] in (NAME, f"{NAME}Lib")}
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in (NAME, f"{NAME}Lib")]:
        del sys.modules[name]
    sys.modules.update(before)


def test_reload_takes_new_code_of_every_part_and_keeps_the_results(
    done: Clicker, scene: mrml.Scene, other_code: None
) -> None:
    sys.modules["UltrasoundPlaneQCLib.Views"].MARK = "code before the change"
    before, old = [result.quality for result in results_of(done)], done.widget
    done.widget.onReload()
    isNew = not hasattr(sys.modules["UltrasoundPlaneQCLib.Views"], "MARK")
    again = Clicker(slicer.util.getModuleWidget(NAME), scene)
    try:
        assert isNew
        assert again.widget is not old
        assert not old.panel.timer.isActive()
        assert [result.quality for result in again.panel.session.results] == before
        again.click("bestButton")
        assert shown(again) == int(np.argmax(before))
    finally:
        again.widget.cleanup()


def test_model_that_is_loaded_is_named_with_its_checksum(done: Clicker, tiny_model: Path) -> None:
    import hashlib

    said = done.ui.aboutLabel.text
    assert hashlib.sha256(tiny_model.read_bytes()).hexdigest()[:12] in said
    assert "cpu" in said
    assert "a4c, abdomen" in said


def test_planes_offered_are_those_of_the_model(done: Clicker, monkeypatch: pytest.MonkeyPatch) -> None:
    selector = done.ui.planeSelector
    offered = [selector.itemText(number) for number in range(selector.count)]
    assert offered == ["auto", "a4c", "abdomen"]
    holder: ModelHolder = done.panel.session.logic.holder
    monkeypatch.setattr(holder, "loaded", {**holder.loaded, "planes": ["kidney"]})
    done.panel.session.changed()
    assert [selector.itemText(number) for number in range(selector.count)] == ["auto", "kidney"]
    assert selector.currentText == "auto"


def test_threshold_of_the_model_counts_until_the_user_sets_another(
    clicker: Clicker, browser, tiny_model: Path, tmp_path: Path
) -> None:
    import torch

    state = torch.load(tiny_model, weights_only=True)
    settings = state["_extra_state"]
    settings["config"]["quality"]["threshold"] = 0.25
    torch.save(state, tmp_path / "model.pt")
    clicker.score(browser, tmp_path)
    assert clicker.ui.thresholdSlider.value == 0.25
    assert results_of(clicker).threshold == 0.25
    clicker.ui.thresholdSlider.setValue(0.75)
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert clicker.ui.thresholdSlider.value == 0.75
    table = clicker.panel.session.logic.scoreSequence(browser, modelPath=str(tmp_path), device="cpu")
    assert Results(table).threshold == 0.25  # scripts say it, or take the model's


def test_view_shows_the_frames_of_a_chosen_script_input(clicker: Clicker, browser, view: SliceView) -> None:
    clicker.panel.session.parameters.inputNode = browser
    shown_volume = view.logic.GetSliceCompositeNode().GetBackgroundVolumeID()
    assert shown_volume == clicker.panel.session.source.volume.GetID()
