"""Tests of the section *Live*, clicked as a user does, and fed by a stream over loopback."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import Clicker
from standin.rendering import SliceView
from timing import clock, slowness
from UltrasoundPlaneQCLib.FrameSource import openFrames

PORT = 18963
SCANNER = """
import sys, time
import numpy as np, pyigtl
pixels, rate = np.load(sys.argv[1]), float(sys.argv[3])
server = pyigtl.OpenIGTLinkServer(port=int(sys.argv[2]), local_server=True)
print("listening", flush=True)
while not server.is_connected():
    time.sleep(0.01)
for number in range(100000):
    server.send_message(pyigtl.ImageMessage(pixels[number % len(pixels)][None], device_name="Image"), wait=False)
    time.sleep(1 / rate)
"""


@pytest.fixture
def volume(cine_pixels: np.ndarray):
    """The volume that a stream updates."""
    return slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), name="Image_Reference")


@pytest.fixture
def live(clicker: Clicker, volume, tiny_model: Path) -> Clicker:
    """The panel with a stream chosen."""
    clicker.ui.modelPath.setText(str(tiny_model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    clicker.ui.liveSelector.setCurrentNode(volume)
    return clicker


def show(volume, picture: np.ndarray) -> None:
    slicer.util.updateVolumeFromArray(volume, picture[None].copy())


def scored(clicker: Clicker) -> int:
    return clicker.panel.live.live.scored


def background(clicker: Clicker) -> str:
    from PySide6 import QtGui

    label = clicker.ui.liveVerdictLabel
    return label.palette.color(QtGui.QPalette.Window).name()


def test_start_is_offered_only_with_a_stream(clicker: Clicker, volume) -> None:
    assert not clicker.ui.liveButton.isEnabled()
    assert clicker.ui.liveButton.toolTip == "Choose a stream first"
    clicker.ui.liveSelector.setCurrentNode(volume)
    assert clicker.ui.liveButton.isEnabled()


def test_verdict_is_shown_large_in_color_and_in_the_view(live: Clicker, volume, cine_pixels, view: SliceView) -> None:
    live.ui.planeSelector.setCurrentText("a4c")  # named, so the threshold alone decides
    live.ui.thresholdSlider.setValue(0.0)
    live.click("liveButton")
    assert live.ui.liveButton.text == "Stop"
    show(volume, cine_pixels[4])
    live.waitFor(lambda: scored(live) == 1)
    assert live.ui.liveVerdictLabel.text.startswith("ACCEPTED  Q ")
    assert background(live) == "#1a7f37"
    plain = view.picture()
    assert live.panel.views._corner.GetInput().startswith("accepted  Q ")
    green = (plain[..., 1] > 150) & (plain[..., 0] < 120)
    rows, columns = np.nonzero(green)
    assert rows.min() < plain.shape[0] / 16  # in the upper right corner, the hint below it
    assert rows.max() < plain.shape[0] / 2
    assert columns[rows < rows.min() + 22].min() > plain.shape[1] / 4  # of the verdict's own line
    live.ui.thresholdSlider.setValue(1.0)
    show(volume, cine_pixels[4])
    live.waitFor(lambda: scored(live) == 2)
    assert live.ui.liveVerdictLabel.text.startswith("REJECTED")
    assert background(live) == "#b42318"
    assert "images per second" in live.ui.liveRateLabel.text


def test_stop_ends_the_stream_and_clears_the_view(live: Clicker, volume, cine_pixels) -> None:
    live.click("liveButton")
    show(volume, cine_pixels[1])
    live.waitFor(lambda: scored(live) == 1)
    live.click("liveButton")
    assert live.ui.liveButton.text == "Start"
    assert live.panel.views._corner.GetInput() == ""
    assert live.ui.liveVerdictLabel.text == ""
    show(volume, cine_pixels[2])
    live.passTime(0.3)
    assert scored(live) == 1
    assert not live.panel.timer.isActive()


def test_running_plot_is_shown_and_grows(live: Clicker, volume, cine_pixels) -> None:
    live.click("liveButton")
    for count in (1, 2, 3):
        show(volume, cine_pixels[count])
        live.waitFor(lambda count=count: scored(live) == count)
    plot = slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode().GetPlotChartNode()
    assert plot.GetName() == "STRIQ live plot"
    assert plot.GetNthPlotSeriesNode(0).GetTableNode().GetNumberOfRows() == 3


def test_recording_is_in_a_browser_after_stop_and_can_be_scored(
    live: Clicker, volume, cine_pixels, tiny_model: Path
) -> None:
    live.click("recordCheckBox")
    live.click("liveButton")
    assert not live.ui.recordCheckBox.isEnabled()
    for count in (1, 2, 3):
        show(volume, cine_pixels[count])
        live.waitFor(lambda count=count: scored(live) == count)
    live.click("liveButton")
    recording = slicer.util.getNode("STRIQ recording")
    source = openFrames(recording)
    assert source.numFrames == 3
    np.testing.assert_array_equal(source.frame(2), cine_pixels[3])
    live.score(recording, tiny_model)
    assert live.ui.resultsTable.rowCount == 3


def test_another_stream_stops_the_first(live: Clicker, volume) -> None:
    live.click("liveButton")
    live.ui.liveSelector.setCurrentNode(None)
    assert not live.panel.live.live.isRunning
    assert not live.ui.liveButton.isEnabled()


def test_wrong_model_stops_and_says_why(live: Clicker, volume, cine_pixels, caplog: pytest.LogCaptureFixture) -> None:
    live.ui.modelPath.setText("/nowhere")
    live.click("liveButton")
    live.waitFor(lambda: not live.panel.live.live.isRunning)
    assert "no model there" in caplog.text
    assert live.ui.liveButton.text == "Start"


@pytest.fixture
def scanner(cine_pixels, tmp_path: Path) -> Iterator[None]:
    """A process that streams the cine at 25 frames a second."""
    np.save(tmp_path / "cine.npy", cine_pixels)
    arguments = [sys.executable, "-c", SCANNER, str(tmp_path / "cine.npy"), str(PORT), "25"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    time.sleep(0.2)  # the line is written just before the port takes connections
    yield
    process.kill()
    process.wait()
    process.stdout.close()


def test_stream_at_full_rate_keeps_the_window_free(live: Clicker, volume, scanner) -> None:
    import pyigtl
    import qt

    live.click("liveButton")
    client = pyigtl.OpenIGTLinkClient("127.0.0.1", PORT)
    gaps, last, images = [], [clock()], []
    timer = qt.QTimer()
    timer.setInterval(10)

    def receive() -> None:
        now = clock()
        gaps.append(now - last[0])
        last[0] = now
        for message in client.get_latest_messages():
            images.append(now)
            show(volume, message.image[0])

    timer.connect("timeout()", receive)
    timer.start()
    try:
        live.waitFor(lambda: scored(live) >= 20)
    finally:
        timer.stop()
        client.stop()
    assert live.panel.live.live.received == len(images) >= scored(live)
    assert float(np.quantile(gaps, 0.95)) < 0.05 * slowness()
