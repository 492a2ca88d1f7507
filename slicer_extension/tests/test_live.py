"""Tests of live scoring: images arrive through OpenIGTLink over loopback or are written by hand."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import PATIENCE_SECONDS
from standin import mrml
from UltrasoundPlaneQCLib.FrameSource import SourceError, openFrames
from UltrasoundPlaneQCLib.LiveRecords import LENGTH, LivePlot, LiveRecorder
from UltrasoundPlaneQCLib.LiveScoring import LiveScoring, LiveVerdict
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder
from UltrasoundPlaneQCLib.Options import ScoringOptions
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient, WorkerError


@pytest.fixture
def volume(cine_pixels):
    """The volume that a stream updates."""
    return slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), name="Image_Reference")


@pytest.fixture
def verdicts() -> list[LiveVerdict]:
    return []


@pytest.fixture
def live(holder, verdicts: list[LiveVerdict]):
    scoring = LiveScoring(holder, lambda: 0.5, verdicts.append)
    yield scoring
    scoring.stop()


def wait(live: LiveScoring, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        live.poll()
        time.sleep(0.005)
        assert time.monotonic() < deadline


def show(volume, picture: np.ndarray) -> None:
    slicer.util.updateVolumeFromArray(volume, picture[None].copy())


def test_newest_image_wins(live, volume, verdicts, cine_pixels, tiny_model: Path, tiny_scorer) -> None:
    from striq.data.cine import Cine
    from striq.data.readers.intensity import to_unit_gray

    live.start(volume, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    for index in (1, 2, 3, 4, 5):  # arrive while the first is in work
        show(volume, cine_pixels[index])
    wait(live, lambda: len(verdicts) == 2)
    expected = tiny_scorer.score(Cine("c", 6, lambda index: to_unit_gray(cine_pixels[index])))
    assert [verdict.quality for verdict in verdicts] == pytest.approx(
        [expected[1].quality, expected[5].quality], abs=1e-5
    )
    assert (live.received, live.scored) == (5, 2)
    time.sleep(0.2)
    live.poll()
    assert len(verdicts) == 2  # nothing waits any more


def test_the_next_image_is_sent_before_a_verdict_is_shown(
    holder, volume, cine_pixels, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: list[dict] = []
    sent: list[str] = []
    seen: list[int] = []
    live = LiveScoring(holder, lambda: 0.5, lambda verdict: seen.append(len(sent)))
    live.start(volume, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    send, poll = holder.client.send, holder.poll

    def counted(command: str, **details: object) -> int:
        sent.append(command)
        return send(command, **details)

    def complete(*numbers: int | None) -> list[dict]:
        """Answers of an image once all of them are there."""
        arrived.extend(poll(*numbers))
        isComplete = any(answer["event"] in ("finished", "error") for answer in arrived)
        return [arrived.pop(0) for _ in range(len(arrived))] if isComplete else []

    monkeypatch.setattr(holder.client, "send", counted)
    monkeypatch.setattr(holder, "poll", complete)
    show(volume, cine_pixels[1])
    show(volume, cine_pixels[2])
    wait(live, lambda: len(seen) == 2)
    live.stop()
    assert seen == [2, 2]


def test_verdict_follows_the_threshold_at_once(holder, volume, cine_pixels, tiny_model: Path) -> None:
    found: list[LiveVerdict] = []
    limit = [0.0]
    live = LiveScoring(holder, lambda: limit[0], found.append)
    live.start(volume, ScoringOptions(plane="a4c", modelPath=str(tiny_model), device="cpu"))
    show(volume, cine_pixels[4])
    wait(live, lambda: len(found) == 1)
    limit[0] = 1.0
    show(volume, cine_pixels[4])
    wait(live, lambda: len(found) == 2)
    live.stop()
    assert [verdict.verdict for verdict in found] == ["accepted", "rejected"]
    assert found[0].plane == "a4c"
    assert found[0].latencyMs >= found[0].frameMs > 0


def test_black_image_is_reported_and_survived(live, volume, verdicts, cine_pixels, tiny_model: Path) -> None:
    live.start(volume, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    show(volume, np.zeros_like(cine_pixels[0]))
    wait(live, lambda: len(verdicts) == 1)
    assert verdicts[0].quality is None
    assert "empty" in verdicts[0].verdict
    show(volume, cine_pixels[3])
    wait(live, lambda: len(verdicts) == 2)
    assert verdicts[1].quality is not None


def test_stopped_stream_is_left_alone(live, volume, verdicts, cine_pixels, tiny_model: Path) -> None:
    live.start(volume, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    show(volume, cine_pixels[1])
    live.stop()
    show(volume, cine_pixels[2])
    assert live.received == 1
    assert live.poll() is None
    assert verdicts == []


def test_wrong_model_stops_the_stream_with_its_reason(live, volume) -> None:
    live.start(volume, ScoringOptions(modelPath="/nowhere", device="cpu"))
    with pytest.raises(SourceError, match="no model there"):
        wait(live, lambda: False)
    assert not live.isRunning


def test_missing_volume_is_refused(live) -> None:
    with pytest.raises(SourceError, match="No live image is chosen"):
        live.start(None, ScoringOptions())


def test_recording_keeps_every_image_and_the_score_of_its_own_image(
    live, volume, verdicts, cine_pixels, scene: mrml.Scene, tiny_model: Path
) -> None:
    recorder = LiveRecorder()
    live.start(volume, ScoringOptions(modelPath=str(tiny_model), device="cpu"), recorder)
    for index in (1, 2, 3):
        show(volume, cine_pixels[index])
        time.sleep(0.01)
    wait(live, lambda: len(verdicts) == 2)
    live.stop()
    source = openFrames(recorder.browser)
    assert source.numFrames == 3
    for item, index in enumerate((1, 2, 3)):
        np.testing.assert_array_equal(source.frame(item), cine_pixels[index])
    text = next(n for n in slicer.util.getNodesByClass("vtkMRMLTextNode") if recorder.browser.IsProxyNode(n.GetID()))
    for item, verdict in ((0, verdicts[0]), (2, verdicts[1])):  # the second image was overtaken by the third
        source.select(item)
        scene.update()
        assert text.GetText() == f"Q {verdict.quality:.2f} {verdict.plane}"


def test_empty_recording_leaves_nothing_behind() -> None:
    assert LiveRecorder().finish() is None
    assert slicer.util.getNodesByClass("vtkMRMLSequenceNode") == []


def test_running_plot_keeps_its_length() -> None:
    plot = LivePlot()
    plot.begin()
    for index in range(LENGTH + 30):
        plot.add(LiveVerdict(0.5, "accepted", "a4c", 1.0, 2.0, index * 0.04), 0.6)
    times = slicer.util.arrayFromTableColumn(plot.table, "time_s")
    assert len(times) == LENGTH
    assert times[0] == pytest.approx(30 * 0.04)
    assert times[-1] == pytest.approx((LENGTH + 29) * 0.04)


def test_stream_over_openigtlink_is_scored(live, volume, verdicts, cine_pixels, tiny_model: Path) -> None:
    import pyigtl

    server = pyigtl.OpenIGTLinkServer(port=18961, local_server=True)
    client = pyigtl.OpenIGTLinkClient("127.0.0.1", 18961)
    try:
        live.start(volume, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
        while not server.is_connected():
            time.sleep(0.01)
        sent, deadline = 0, time.monotonic() + PATIENCE_SECONDS
        while len(verdicts) < 5:
            picture = cine_pixels[sent % len(cine_pixels)]
            server.send_message(pyigtl.ImageMessage(picture[None], device_name="Image"), wait=True)
            sent += 1
            message = client.wait_for_message("Image", timeout=5)
            show(volume, message.image[0])
            np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume)[0], picture)
            live.poll()
            time.sleep(0.02)
            assert time.monotonic() < deadline
    finally:
        client.stop()
        server.stop()
    assert live.received == sent
    received, scored = live.rates()
    assert received >= scored > 0


def test_process_that_ends_between_two_images_is_reported(volume, verdicts, cine_pixels, tiny_model: Path) -> None:
    holder = ModelHolder(WorkerClient([sys.executable, "-m", "striq.service"]))
    live = LiveScoring(holder, lambda: 0.5, verdicts.append)
    live.start(volume, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    show(volume, cine_pixels[1])
    wait(live, lambda: live.scored == 1 and live._commandId is None)
    os.kill(holder.client.processId, signal.SIGKILL)
    while holder.client.isRunning():
        time.sleep(0.005)
    show(volume, cine_pixels[2])  # no exception in the observer
    with pytest.raises(WorkerError, match="ended unexpectedly"):
        live.poll()
    live.stop()
    holder.stop()
