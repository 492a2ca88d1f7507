"""Tests of a study without its window: its list, its run, what it keeps beside files, its export."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import NUM_FRAMES, add_browser
from PIL import Image
from standin import mrml
from test_saved_scene import save_and_reload
from ultrasound_files import write_ultrasound
from UltrasoundPlaneQCLib.Asking import Steps, findFiles
from UltrasoundPlaneQCLib.CineOpening import openCine
from UltrasoundPlaneQCLib.CineSummary import CineSummary
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder
from UltrasoundPlaneQCLib.Options import ScoringOptions
from UltrasoundPlaneQCLib.Results import Results, resultsTables
from UltrasoundPlaneQCLib.Study import Study
from UltrasoundPlaneQCLib.StudyExport import exportStudy
from UltrasoundPlaneQCLib.StudyFiles import FOLDER
from UltrasoundPlaneQCLib.StudyRun import StudyRun
from UltrasoundPlaneQCLib.Thumbnails import frameOfThumbnail, pngOf, thumbnailOf
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient

PATIENCE_SECONDS = 300


def drive(isDone: Callable[[], bool], step: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not isDone():
        step()
        time.sleep(0.001)
        assert time.monotonic() < until


def finish(run: StudyRun) -> StudyRun:
    drive(lambda: not run.isRunning, run.advance)
    return run


def outcome(steps: Steps):
    """Return what a generator returns."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            next(steps)
        except StopIteration as ended:
            return ended.value
        time.sleep(0.001)
    raise TimeoutError


@pytest.fixture
def options(tiny_model: Path) -> ScoringOptions:
    return ScoringOptions(modelPath=str(tiny_model), device="cpu", threshold=0.5)


def write_cine(path: Path, pixels: np.ndarray) -> Path:
    return write_ultrasound(path, pixels, series="1.2", study="1.3")


@pytest.fixture
def folder(tmp_path: Path, cine_pixels: np.ndarray) -> Path:
    """A folder of two cines, the second in a subfolder, and a file that is damaged between them."""
    write_cine(tmp_path / "study" / "a.dcm", cine_pixels)
    (tmp_path / "study" / "b.dcm").write_bytes(b"DICM" * 500)
    write_cine(tmp_path / "study" / "deep" / "c.dcm", cine_pixels[::-1][:5])
    return tmp_path / "study"


@pytest.fixture
def study(folder: Path, holder: ModelHolder) -> Study:
    found = outcome(findFiles(holder, str(folder)))
    listed = Study.open()
    listed.addFiles(found, str(folder))
    return listed


def states(study: Study) -> dict[str, str]:
    return {cine.name: cine.state for cine in study.cines}


def qualities(study: Study, key: str) -> list[float]:
    results = study.results(key)
    assert results is not None
    return results.column("quality")


def test_folder_becomes_a_list_of_cines_once(study: Study, folder: Path, holder: ModelHolder) -> None:
    assert states(study) == {"a.dcm": "waiting", "b.dcm": "waiting", "deep/c.dcm": "waiting"}
    study.addFiles(outcome(findFiles(holder, str(folder))), str(folder))
    assert len(study.cines) == 3
    assert Study.open().node is study.node


def test_damaged_file_fails_and_the_others_are_scored_as_the_command_line_does(
    study: Study, holder: ModelHolder, options: ScoringOptions, tiny_scorer, folder: Path
) -> None:
    from striq.data.readers import open_cine

    run = finish(StudyRun(study, holder, options))
    assert run.state == "finished"
    assert (run.scored, run.failed, run.skipped) == (2, 1, 0)
    assert states(study) == {"a.dcm": "done", "b.dcm": "failed", "deep/c.dcm": "done"}
    assert "b.dcm" in study["2"].message
    expected = [score.quality for score in tiny_scorer.score(open_cine(folder / "a.dcm")[:])]
    assert qualities(study, "1") == pytest.approx(expected, abs=1e-5)
    assert study.results("1").column("time_s") == pytest.approx([index * 0.04 for index in range(NUM_FRAMES)], abs=0.03)


def test_nothing_of_a_failed_cine_is_left(study: Study, holder: ModelHolder, options: ScoringOptions) -> None:
    finish(StudyRun(study, holder, options))
    assert study.results("2") is None
    assert len(resultsTables()) == 2


def test_small_picture_is_that_of_the_best_frame(study: Study, holder: ModelHolder, options: ScoringOptions) -> None:
    finish(StudyRun(study, holder, options))
    results = study.results("1")
    assert frameOfThumbnail(results) == int(np.argmax(results.column("quality")))
    assert thumbnailOf(results).startswith(b"\x89PNG")


def test_png_keeps_rows_and_columns() -> None:
    import io

    gray = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(pngOf(gray)))), gray)


def test_second_run_scores_nothing_again(study: Study, holder: ModelHolder, options: ScoringOptions) -> None:
    finish(StudyRun(study, holder, options))
    before = {key: results.node.GetID() for key, results in study.allResults().items()}
    run = finish(StudyRun(study, holder, options))
    assert (run.scored, run.skipped, run.failed) == (0, 2, 1)
    assert {key: results.node.GetID() for key, results in study.allResults().items()} == before


def test_results_beside_the_files_are_found_in_a_new_scene_by_content(
    study: Study, holder: ModelHolder, options: ScoringOptions, folder: Path, scene: mrml.Scene
) -> None:
    finish(StudyRun(study, holder, options))
    expected, terms = qualities(study, "1"), study.results("1").terms
    scene.clear()
    (folder / "a.dcm").rename(folder / "renamed.dcm")
    again = Study.open()
    again.addFiles([folder / "renamed.dcm"], str(folder))
    run = finish(StudyRun(again, holder, options))
    assert (run.scored, run.skipped) == (0, 1)
    assert qualities(again, "1") == pytest.approx(expected)
    assert again.results("1").terms == terms
    assert thumbnailOf(again.results("1")) != b""


@pytest.mark.parametrize("change", ["content", "plane", "damage"])
def test_what_changed_is_scored_again(
    change: str, study: Study, holder: ModelHolder, options: ScoringOptions, folder: Path, cine_pixels: np.ndarray
) -> None:
    only = ["1"]
    finish(StudyRun(study, holder, options, only))
    if change == "content":
        write_cine(folder / "a.dcm", cine_pixels[:4])
    elif change == "plane":
        options = ScoringOptions("a4c", options.modelPath, "cpu", 0.5)
    else:
        (kept,) = (folder / FOLDER).iterdir()
        kept.write_text(kept.read_text()[:1000])
        study.remove("1")
        study.addFiles([folder / "a.dcm"], str(folder))
        only = [study.cines[-1].key]
    run = finish(StudyRun(study, holder, options, only))
    assert (run.scored, run.skipped) == (1, 0)
    assert len(qualities(study, only[0])) == (4 if change == "content" else NUM_FRAMES)


def test_results_folder_is_no_part_of_the_study(
    study: Study, holder: ModelHolder, options: ScoringOptions, folder: Path
) -> None:
    finish(StudyRun(study, holder, options))
    kept = sorted((folder / FOLDER).iterdir())
    assert len(kept) == 2
    stored = json.loads(kept[0].read_text())
    assert stored["identity"]["plane"] == "auto"
    assert len(outcome(findFiles(holder, str(folder)))) == 3


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_said(
    study: Study, holder: ModelHolder, options: ScoringOptions, folder: Path
) -> None:
    folder.chmod(0o500)
    try:
        run = finish(StudyRun(study, holder, options, ["1"]))
    finally:
        folder.chmod(0o700)
    assert run.scored == 1
    assert study["1"].state == "done"
    assert "in the scene only" in study["1"].message


def test_file_in_the_place_of_the_results_folder_is_said(
    study: Study, holder: ModelHolder, options: ScoringOptions, folder: Path
) -> None:
    (folder / FOLDER).write_text("not a folder")
    finish(StudyRun(study, holder, options, ["1"]))
    assert study["1"].state == "done"
    assert "in the scene only" in study["1"].message
    assert len(qualities(study, "1")) == NUM_FRAMES


def test_cancel_keeps_what_is_done_and_the_next_run_goes_on(
    study: Study, holder: ModelHolder, options: ScoringOptions
) -> None:
    run = StudyRun(study, holder, options)
    drive(lambda: run.current == "3" and run.run is not None, run.advance)
    run.cancel()
    assert run.state == "cancelled"
    assert states(study) == {"a.dcm": "done", "b.dcm": "failed", "deep/c.dcm": "waiting"}
    assert len(resultsTables()) == 1
    again = finish(StudyRun(study, holder, options))
    assert (again.scored, again.skipped) == (1, 1)


def test_worker_that_dies_on_a_cine_is_started_again_for_the_next(study: Study, options: ScoringOptions) -> None:
    own = ModelHolder(WorkerClient([sys.executable, "-m", "striq.service"]))
    try:
        run = StudyRun(study, own, options)
        drive(lambda: run.run is not None and run.run.state == "scoring", run.advance)
        os.kill(own.client.processId, signal.SIGKILL)
        finish(run)
    finally:
        own.stop()
    assert run.state == "finished"
    assert states(study) == {"a.dcm": "failed", "b.dcm": "failed", "deep/c.dcm": "done"}
    assert "ended unexpectedly" in study["1"].message


def test_worker_that_dies_on_each_cine_ends_the_run(
    study: Study, options: ScoringOptions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("UltrasoundPlaneQCLib.StudyRun.MAX_DEATHS", 2)  # each start of a worker takes a while
    for number in range(2):
        shutil.copy(folder / "a.dcm", folder / f"more{number}.dcm")
    study.addFiles(sorted(folder.glob("more*.dcm")), str(folder))
    own = ModelHolder(WorkerClient([sys.executable, "-m", "striq.service"]))
    run = StudyRun(study, own, options, ["1", "4", "5"])

    def step() -> None:
        run.advance()
        if run.run is not None and own.client.isRunning():
            os.kill(own.client.processId, signal.SIGKILL)

    try:
        drive(lambda: not run.isRunning, step)
    finally:
        own.stop()
    assert run.state == "failed"
    assert [study[key].state for key in ("1", "4", "5")] == ["failed", "failed", "waiting"]


def test_model_that_cannot_be_loaded_ends_the_run_before_any_cine(study: Study, holder: ModelHolder) -> None:
    run = finish(StudyRun(study, holder, ScoringOptions(modelPath="/absent", device="cpu")))
    assert run.state == "failed"
    assert "/absent" in run.message
    assert set(states(study).values()) == {"waiting"}


def test_browsers_are_scored_and_skipped_by_content(
    scene: mrml.Scene, cine_pixels: np.ndarray, holder: ModelHolder, options: ScoringOptions
) -> None:
    browsers = [add_browser(cine_pixels, scene, "one"), add_browser(cine_pixels[::-1][:4], scene, "two")]
    study = Study.open()
    study.addNodes(browsers)
    study.addNodes(browsers)
    assert [cine.name for cine in study.cines] == ["one browser", "two browser"]
    assert finish(StudyRun(study, holder, options)).scored == 2
    assert len(study.results("2")) == 4
    assert finish(StudyRun(study, holder, options)).skipped == 2
    sequence = browsers[1].GetMasterSequenceNode()
    slicer.util.updateVolumeFromArray(sequence.GetNthDataNode(0), cine_pixels[3][None].copy())
    again = finish(StudyRun(study, holder, options))
    assert (again.scored, again.skipped) == (1, 1)


def test_removed_browser_fails_alone(
    scene: mrml.Scene, cine_pixels: np.ndarray, holder: ModelHolder, options: ScoringOptions
) -> None:
    browsers = [add_browser(cine_pixels[:3], scene, name) for name in ("one", "two")]
    study = Study.open()
    study.addNodes(browsers)
    slicer.mrmlScene.RemoveNode(browsers[0])
    finish(StudyRun(study, holder, options))
    assert [cine.state for cine in study.cines] == ["failed", "done"]
    assert "not in the scene" in study["1"].message


def test_study_that_is_removed_ends_the_run(study: Study, holder: ModelHolder, options: ScoringOptions) -> None:
    run = StudyRun(study, holder, options)
    drive(lambda: run.run is not None, run.advance)
    slicer.mrmlScene.RemoveNode(study.node)
    finish(run)
    assert run.state == "cancelled"
    assert resultsTables() == []


def test_file_is_opened_upright_with_its_scores_and_once(
    study: Study, holder: ModelHolder, options: ScoringOptions, cine_pixels: np.ndarray
) -> None:
    finish(StudyRun(study, holder, options))
    node = outcome(openCine(study, "1", holder))
    source = study.source("1")
    assert source.numFrames == NUM_FRAMES
    np.testing.assert_array_equal(source.frame(4), cine_pixels[4])
    assert source.timesS == pytest.approx(study.results("1").column("time_s"), abs=1e-6)
    assert Results.findOf(node).node is study.results("1").node
    assert outcome(openCine(study, "1", holder)) is node
    assert study.keyOf(node) == "1"


def test_study_comes_back_with_the_scene(
    study: Study, holder: ModelHolder, options: ScoringOptions, scene: mrml.Scene, tmp_path: Path
) -> None:
    finish(StudyRun(study, holder, options))
    outcome(openCine(study, "3", holder))
    before = {key: results.column("verdict") for key, results in study.allResults().items()}
    study.setState("1", "scoring")
    saved = tmp_path / "saved"
    saved.mkdir()
    save_and_reload(saved, scene)
    again = Study.find()
    assert again is not None
    again.endScoring()
    assert states(again) == {"a.dcm": "waiting", "b.dcm": "failed", "deep/c.dcm": "done"}
    assert {key: results.column("verdict") for key, results in again.allResults().items()} == before
    assert thumbnailOf(again.results("1")).startswith(b"\x89PNG")
    assert again.source("3").numFrames == 5
    run = finish(StudyRun(again, holder, options))
    assert (run.scored, run.skipped) == (0, 2)


def test_export_has_a_row_per_cine_and_a_row_per_frame(
    study: Study, holder: ModelHolder, options: ScoringOptions, tmp_path: Path
) -> None:
    finish(StudyRun(study, holder, options))
    cines, frames = exportStudy(study, tmp_path / "out.csv")
    with cines.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["cine"] for row in rows] == ["a.dcm", "b.dcm", "deep/c.dcm"]
    assert [row["state"] for row in rows] == ["done", "failed", "done"]
    short = CineSummary.of(study.results("1"))
    assert int(rows[0]["best_frame"]) == short.bestFrame == int(np.argmax(qualities(study, "1")))
    results = study.results("1")
    assert results is not None
    shown = np.array(results.column("plane")) != "none"  # a frame of no plane is not accepted, whatever its quality
    accepted = shown & (np.array(qualities(study, "1")) > options.threshold)
    assert 0 < accepted.sum() < NUM_FRAMES
    assert float(rows[0]["accepted_share"]) == pytest.approx(accepted.mean(), abs=1e-3)
    assert rows[1]["best_frame"] == ""
    assert frames.name == "out_frames.csv"
    with frames.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["cine"] for row in rows] == ["a.dcm"] * NUM_FRAMES + ["deep/c.dcm"] * 5
    assert [float(row["quality"]) for row in rows[:NUM_FRAMES]] == pytest.approx(qualities(study, "1"), abs=1e-6)
