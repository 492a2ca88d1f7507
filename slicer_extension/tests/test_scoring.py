"""Tests of scoring through the scoring process, without a window."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import LPS, NUM_FRAMES, PATIENCE_SECONDS, add_browser
from standin import mrml
from timing import clock, slowness
from UltrasoundPlaneQCLib.FrameSource import SourceError, openFrames
from UltrasoundPlaneQCLib.Logic import PlaneQualityLogic
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder
from UltrasoundPlaneQCLib.Options import ScoringOptions
from UltrasoundPlaneQCLib.Results import Results
from UltrasoundPlaneQCLib.Scoring import CANCELLED, FAILED, FINISHED, ScoringRun
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient, WorkerError

from striq.data.readers import open_cine

ALLOWED_DIFFERENCE = 1e-5


def drive(run: ScoringRun, *, until: int | None = None) -> list[float]:
    """Advance a run to its end, or to a number of scores; return how long each step took."""
    steps, deadline = [], time.monotonic() + PATIENCE_SECONDS
    while run.isRunning and (until is None or run.done < until):
        started = clock()
        run.advance()
        steps.append(clock() - started)
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return steps


def test_scores_equal_those_of_the_command_line(
    browser, logic: PlaneQualityLogic, tiny_model: Path, tiny_scorer, tmp_path: Path
) -> None:
    path = tmp_path / "cine.seq.nrrd"
    storage = browser.GetMasterSequenceNode().CreateDefaultStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(browser.GetMasterSequenceNode())
    expected = tiny_scorer.score(open_cine(path))
    table = logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu")
    found = list(Results(table))
    assert len(found) == len(expected) == NUM_FRAMES
    for result, score in zip(found, expected, strict=True):
        assert result.quality == pytest.approx(score.quality, abs=ALLOWED_DIFFERENCE)
        assert result.plane == score.plane
        assert result.timeS == pytest.approx(score.time_s)
        assert (result.verdict == "accepted") == score.accepted
        np.testing.assert_allclose(np.reshape(result.transform, (2, 3)), score.transform, atol=ALLOWED_DIFFERENCE)
    assert len({round(result.quality, 3) for result in found}) > 2  # equal by content, not because all are alike


def test_stack_and_browser_give_the_same_scores(browser, scored, cine_pixels, logic, tiny_model: Path) -> None:
    stack = slicer.util.addVolumeFromArray(cine_pixels.copy(), ijkToRAS=LPS, name="stack")
    of_stack = Results(logic.scoreSequence(stack, modelPath=str(tiny_model), device="cpu"))
    assert [result.quality for result in of_stack] == pytest.approx([result.quality for result in Results(scored)])


def test_color_cine_is_scored_by_its_gray(scored, scene: mrml.Scene, cine_pixels, logic, tiny_model: Path) -> None:
    color = np.repeat(cine_pixels[..., None], 3, axis=-1)
    cine = add_browser(color, scene, "color")
    assert openFrames(cine).frame(0).shape == (*cine_pixels.shape[1:], 3)
    of_color = Results(logic.scoreSequence(cine, modelPath=str(tiny_model), device="cpu"))
    expected = [result.quality for result in Results(scored)]
    assert [result.quality for result in of_color] == pytest.approx(expected, abs=1e-3)


def test_single_color_picture_is_scored(scored, cine_pixels, logic, tiny_model: Path) -> None:
    color = np.repeat(cine_pixels[:1, ..., None], 3, axis=-1)
    volume = slicer.util.addVolumeFromArray(color.copy(), nodeClassName="vtkMRMLVectorVolumeNode", name="color")
    (result,) = Results(logic.scoreSequence(volume, modelPath=str(tiny_model), device="cpu"))
    assert result.quality == pytest.approx(Results(scored)[0].quality, abs=1e-3)


def test_named_plane_is_the_plane_of_every_frame(browser, logic, tiny_model: Path) -> None:
    table = logic.scoreSequence(browser, plane="abdomen", modelPath=str(tiny_model), device="cpu")
    assert {result.plane for result in Results(table)} == {"abdomen"}


def test_model_is_loaded_once_for_two_runs(browser, logic, tiny_model: Path) -> None:
    logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu")
    assert not logic.holder.request(str(tiny_model), "cpu")


def test_results_say_which_model_and_device_they_come_from(scored, tiny_model: Path) -> None:
    facts = Results(scored).facts()
    assert (facts["model"], facts["device"]) == (str(tiny_model), "cpu")
    assert facts["sha256"] == hashlib.sha256(tiny_model.read_bytes()).hexdigest()


def test_cancel_keeps_the_scores_done_so_far(logic, scene: mrml.Scene, cine_pixels, tiny_model: Path) -> None:
    long = add_browser(np.concatenate([cine_pixels] * 12), scene, "long")
    run = logic.startRun(long, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    drive(run, until=4)
    run.cancel()
    drive(run)
    assert run.state == CANCELLED
    scored = [result for result in run.results if result.isScored]
    assert 4 <= len(scored) == run.done < run.total
    assert {result.verdict for result in run.results if not result.isScored} == {"not scored"}


def test_cancel_before_anything_is_sent_ends_at_once(logic, browser, tiny_model: Path) -> None:
    run = logic.startRun(browser, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    run.cancel()
    assert run.state == CANCELLED
    assert not run.isRunning


def test_no_step_of_a_run_holds_the_window_up(logic, scene: mrml.Scene, tiny_model: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 480, 640), dtype=np.uint8)
    big = add_browser(pixels, scene, "big")
    run = logic.startRun(big, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    steps = drive(run, until=4)
    run.cancel()
    drive(run)
    assert max(steps[1:]) < 0.1 * slowness()


def test_time_left_shrinks_to_nothing(logic, browser, tiny_model: Path) -> None:
    run = logic.startRun(browser, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    assert run.secondsLeft() is None
    drive(run)
    assert run.state == FINISHED
    assert run.secondsLeft() == 0


def test_frame_that_cannot_be_scored_keeps_its_row(logic, scene: mrml.Scene, cine_pixels, tiny_model: Path) -> None:
    pixels = cine_pixels.copy()
    pixels[2] = 0
    table = logic.scoreSequence(add_browser(pixels, scene, "gap"), modelPath=str(tiny_model), device="cpu")
    results = Results(table)
    assert results[2].verdict == "not scored"
    assert "empty" in results[2].error
    assert sum(result.isScored for result in results) == NUM_FRAMES - 1


def test_wrong_model_fails_with_its_reason_and_the_next_run_works(browser, logic, tiny_model: Path) -> None:
    with pytest.raises(SourceError, match="no model there"):
        logic.scoreSequence(browser, modelPath="/nowhere", device="cpu")
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []
    table = logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu")
    assert all(result.isScored for result in Results(table))


def test_model_that_appears_later_is_loaded_then(browser, logic, tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(SourceError, match="no model there"):
        logic.scoreSequence(browser, modelPath=str(path), device="cpu")
    path.write_bytes(tiny_model.read_bytes())
    table = logic.scoreSequence(browser, modelPath=str(path), device="cpu")
    assert all(result.isScored for result in Results(table))


def test_frames_that_are_slow_to_read_are_read_over_several_steps(logic, browser, cine_pixels) -> None:
    run = logic.startRun(browser)

    def slowly(index: int) -> np.ndarray:
        time.sleep(0.015)
        return cine_pixels[index]

    run.source.frame = slowly
    started = clock()
    run.advance()
    assert clock() - started < 0.015 * NUM_FRAMES / 2
    assert run.state == "exporting"
    run.cancel()


def test_pictures_of_two_sizes_are_refused(logic, scene: mrml.Scene, cine_pixels, tiny_model: Path) -> None:
    mixed = add_browser(cine_pixels, scene, "mixed")
    small = slicer.util.addVolumeFromArray(cine_pixels[:1, :30].copy(), ijkToRAS=LPS, name="small")
    mixed.GetMasterSequenceNode().SetDataNodeAtValue(small, "0.08")
    run = logic.startRun(mixed, ScoringOptions(modelPath=str(tiny_model), device="cpu"))
    with pytest.raises(SourceError, match=r"frame 2: the picture has shape \(30, .*frames of one size"):
        drive(run)
    assert run.state == FAILED


def test_process_that_ends_on_its_own_is_reported(browser, tiny_model: Path) -> None:
    holder = ModelHolder(WorkerClient([sys.executable, "-c", "raise SystemExit('out of order')"]))
    run = PlaneQualityLogic(holder).startRun(browser, ScoringOptions(modelPath=str(tiny_model)))
    with pytest.raises(WorkerError, match="out of order"):
        drive(run)
    assert run.state == FAILED
    holder.stop()


def test_process_of_another_protocol_is_refused(browser) -> None:
    program = 'print(\'{"event": "ready", "protocol": 99, "version": "9.9"}\', flush=True); input()'
    holder = ModelHolder(WorkerClient([sys.executable, "-c", program]))
    run = PlaneQualityLogic(holder).startRun(browser)
    with pytest.raises(WorkerError, match=r"striq 9.9 speaks protocol 99.*Update both"):
        drive(run)
    holder.stop()


def test_stopping_ends_the_process(tiny_model: Path) -> None:
    client = WorkerClient([sys.executable, "-m", "striq.service"])
    client.start()
    number = client.processId
    client.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert not client.isRunning()


def test_scores_become_texts_in_the_same_browser(browser, scored, scene: mrml.Scene) -> None:
    source, results = openFrames(browser), Results(scored)
    text = next(node for node in slicer.util.getNodesByClass("vtkMRMLTextNode") if browser.IsProxyNode(node.GetID()))
    for index in (6, 1):
        source.select(index)
        scene.update()
        assert text.GetText() == f"Q {results[index].quality:.2f} {results[index].plane}"


def test_scoring_again_replaces_the_texts(browser, scored, logic, tiny_model: Path) -> None:
    logic.scoreSequence(browser, plane="abdomen", modelPath=str(tiny_model), device="cpu")
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode")]
    assert len([name for name in names if name.startswith("STRIQ score")]) == 1


def test_results_are_in_one_folder_of_the_data_tree(browser, scored) -> None:
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = tree.GetItemChildWithName(tree.GetSceneItemID(), f"STRIQ {browser.GetName()}")
    chart = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")[0]
    for node in (scored, chart, chart.GetNthPlotSeriesNode(0)):
        assert tree.GetItemParent(tree.GetItemByDataNode(node)) == folder
