"""Tests of the scoring process from its commands to its answers: ``striq.service.server`` and ``worker``."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from ultrasound_files import write_ultrasound

import striq
import striq.scoring.scorer as scorer_module
from striq.data.cine import Cine
from striq.data.fan import bounding_box, fan_mask
from striq.data.phantom import make_phantom_cine
from striq.data.readers import open_cine
from striq.data.readers.intensity import to_unit_gray
from striq.quality.terms import TERMS
from striq.scoring.scorer import StriqScorer
from striq.service import loaded_model
from striq.service.requests import Load, Score, parse_request
from striq.service.server import Inbox, serve, text_lines
from striq.service.worker import Worker
from striq.types import FrameScore

NUM_FRAMES = 6
ALLOWED_DIFFERENCE = 1e-5  # what the task allows between one way of scoring and another


@pytest.fixture(scope="module")
def stored() -> NDArray[np.uint8]:
    """Six 8-bit frames wider than high, with a black margin, so that axes and box cannot be mixed up."""
    frames = make_phantom_cine("a4c", NUM_FRAMES, seed=2, size=(96, 120))
    pixels = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
    return np.pad(pixels, ((0, 0), (7, 0), (3, 11)))


@pytest.fixture
def frames_file(stored: NDArray[np.uint8], tmp_path: Path) -> str:
    path = tmp_path / "frames.npy"
    np.save(path, stored)
    return str(path)


def answers_to(*commands: dict[str, Any] | str) -> list[dict[str, Any]]:
    lines = [command if isinstance(command, str) else json.dumps(command) for command in commands]
    output = io.StringIO()
    serve(lines, output)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def expected_scores(scorer: StriqScorer, stored: NDArray[np.uint8]) -> list[FrameScore]:
    return scorer.score(Cine("c", len(stored), lambda index: to_unit_gray(stored[index])))


def load(model: Path) -> dict[str, Any]:
    return {"command": "load", "id": 1, "model": str(model), "device": "cpu"}


def handle(worker: Worker, command: dict[str, Any]) -> None:
    request = parse_request(json.dumps(command))
    assert isinstance(request, (Load, Score))
    worker.handle(request)


def frames_of(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer for answer in answers if answer["event"] == "frame"]


def test_worker_says_what_it_loaded(tiny_model: Path) -> None:
    ready, loaded = answers_to(load(tiny_model))
    assert ready == {"event": "ready", "protocol": 2, "version": striq.__version__, "pid": os.getpid()}
    terms = loaded.pop("terms")
    assert [term["name"] for term in terms] == list(TERMS)
    assert terms[1]["label"] == "NCC"
    assert all(term["description"].endswith(".") for term in terms)
    assert loaded.pop("version") == striq.__version__
    assert loaded.pop("about") == {"name": "model.pt", "version": ""}
    assert loaded == {
        "event": "loaded",
        "id": 1,
        "model": str(tiny_model),
        "sha256": hashlib.sha256(tiny_model.read_bytes()).hexdigest(),
        "planes": ["a4c", "abdomen"],
        "threshold": 0.5,
        "device": "cpu",
    }


def test_scores_equal_those_of_the_scorer(
    tiny_model: Path, tiny_scorer: StriqScorer, stored: NDArray[np.uint8], frames_file: str
) -> None:
    times = [0.04 * index for index in range(NUM_FRAMES)]
    score = {"command": "score", "id": 7, "frames": frames_file, "times_s": times}
    _, _, *frames, finished = answers_to(load(tiny_model), score)
    assert [frame["event"] for frame in frames] == ["frame"] * NUM_FRAMES
    assert [frame["index"] for frame in frames] == list(range(NUM_FRAMES))
    for frame, expected, time_s in zip(frames, expected_scores(tiny_scorer, stored), times, strict=True):
        assert frame["id"] == 7
        assert frame["quality"] == pytest.approx(expected.quality, abs=ALLOWED_DIFFERENCE)
        assert frame["plane"] == expected.plane
        assert frame["time_s"] == time_s
        assert frame["terms"]["ncc"] == pytest.approx(expected.terms["ncc"], abs=ALLOWED_DIFFERENCE)
        np.testing.assert_allclose(frame["transform"], expected.transform, atol=ALLOWED_DIFFERENCE)
        assert frame["nearest_anchor"]["path"] == expected.nearest_anchor.path
        assert frame["ms"] > 0
    qualities = [frame["quality"] for frame in frames]
    assert finished.pop("summary") == {
        "quality": pytest.approx(np.median(qualities)),
        "accepted": sum(frame["accepted"] for frame in frames) > NUM_FRAMES / 2,
        "plane": max(plane := [frame["plane"] for frame in frames], key=plane.count),
        "best_frame": int(np.argmax(qualities)),  # counted in the cine, not in the batch
        "worst_frame": int(np.argmin(qualities)),
        "num_frames": NUM_FRAMES,
        "num_scored": NUM_FRAMES,
        "num_accepted": sum(frame["accepted"] for frame in frames),
    }
    assert finished == {
        "event": "finished",
        "id": 7,
        "cancelled": False,
        "device": "cpu",
        "scored": NUM_FRAMES,
        "failed": 0,
        "total": NUM_FRAMES,
    }


def test_file_is_scored_as_the_command_line_scores_it(
    tiny_model: Path, tiny_scorer: StriqScorer, stored: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = write_ultrasound(tmp_path / "c.dcm", stored, series="1.2", study="1.3")
    _, _, *frames, finished = answers_to(load(tiny_model), {"command": "score", "file": str(path)})
    for frame, expected in zip(frames, tiny_scorer.score(open_cine(path)), strict=True):
        assert frame["quality"] == pytest.approx(expected.quality, abs=ALLOWED_DIFFERENCE)
        assert frame["plane"] == expected.plane
        assert frame["time_s"] == pytest.approx(expected.time_s)
    assert finished["summary"]["num_scored"] == NUM_FRAMES


def test_threshold_of_a_command_decides_what_is_accepted(tiny_model: Path, frames_file: str) -> None:
    for threshold, wanted in ((0.0, lambda frame: frame["plane"] != "none"), (1.0, lambda _: False)):
        score = {"command": "score", "frames": frames_file, "threshold": threshold}
        _, _, *frames, finished = answers_to(load(tiny_model), score)
        assert [frame["accepted"] for frame in frames] == [wanted(frame) for frame in frames]
        assert finished["summary"]["num_accepted"] == sum(frame["accepted"] for frame in frames)


def test_file_that_cannot_be_read_is_answered_in_words(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    *_, answer = answers_to(load(tiny_model), {"command": "score", "id": 4, "file": str(path)})
    assert (answer["event"], answer["id"]) == ("error", 4)
    assert "broken.png" in answer["text"]


def test_frame_answer_holds_the_score_but_no_source(tiny_model: Path, frames_file: str) -> None:
    *_, frame, _ = answers_to(load(tiny_model), {"command": "score", "frames": frames_file})
    fields = {field.name for field in dataclasses.fields(FrameScore)}
    assert frame.keys() == (fields - {"source"}) | {"event", "id", "ms"}


def test_crop_is_the_bounding_box_of_the_fan(tiny_model: Path, stored: NDArray[np.uint8], frames_file: str) -> None:
    answers = answers_to(load(tiny_model), {"command": "score", "frames": frames_file})
    for frame in frames_of(answers):
        assert tuple(frame["crop"]) == bounding_box(fan_mask(to_unit_gray(stored[frame["index"]])))
        assert frame["crop"][0] >= 7  # the margin above the picture
        assert frame["crop"][1] >= 3


def test_quality_can_be_computed_from_an_answer(tiny_model: Path, frames_file: str) -> None:
    answers = answers_to(load(tiny_model), {"command": "score", "frames": frames_file})
    for frame in frames_of(answers):
        assert frame["terms"].keys() == frame["normalized_terms"].keys() == frame["weights"].keys() == TERMS.keys()
        quality = sum(frame["weights"][name] * frame["normalized_terms"][name] for name in TERMS)
        assert quality == pytest.approx(frame["quality"], abs=1e-5)


def test_every_frame_is_read_once(tiny_model: Path, frames_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real_frame = Cine._frame

    def counted(cine: Cine, position: int) -> Any:
        read.append(position)
        return real_frame(cine, position)

    monkeypatch.setattr(Cine, "_frame", counted)
    answers_to(load(tiny_model), {"command": "score", "frames": frames_file})
    assert read == list(range(NUM_FRAMES))


def test_load_takes_engine_and_precision(tiny_model: Path, frames_file: str) -> None:
    score = {"command": "score", "frames": frames_file}
    plain = answers_to({**load(tiny_model), "engine": "reference", "precision": "float32"}, score)
    fast = answers_to(load(tiny_model), score)
    qualities = [[frame["quality"] for frame in frames_of(answers)] for answers in (plain, fast)]
    assert qualities[0] == pytest.approx(qualities[1], abs=ALLOWED_DIFFERENCE)
    *_, answer = answers_to({**load(tiny_model), "engine": "steam"})
    assert "No engine 'steam'" in answer["text"]
    *_, answer = answers_to({**load(tiny_model), "precision": "float16"})
    assert answer["event"] == "error"
    assert "float16" in answer["text"]


def test_color_frames_are_scored_by_their_luma(tiny_model: Path, stored: NDArray[np.uint8], tmp_path: Path) -> None:
    gray, color = tmp_path / "gray.npy", tmp_path / "color.npy"
    np.save(gray, stored[:2])
    np.save(color, np.repeat(stored[:2, ..., None], 3, axis=-1))
    of_gray = answers_to(load(tiny_model), {"command": "score", "frames": str(gray)})
    of_color = answers_to(load(tiny_model), {"command": "score", "frames": str(color)})
    qualities = [[answer["quality"] for answer in answers if "quality" in answer] for answers in (of_gray, of_color)]
    assert qualities[0] == pytest.approx(qualities[1], abs=ALLOWED_DIFFERENCE)


def test_frame_without_contrast_costs_only_itself(
    tiny_model: Path, tiny_scorer: StriqScorer, stored: NDArray[np.uint8], tmp_path: Path
) -> None:
    broken, path = stored.copy(), tmp_path / "broken.npy"
    broken[2] = 0
    np.save(path, broken)
    _, _, *frames, finished = answers_to(load(tiny_model), {"command": "score", "frames": str(path)})
    assert [frame["index"] for frame in frames] == list(range(NUM_FRAMES))
    assert "empty" in frames[2]["error"]
    assert (finished["scored"], finished["failed"]) == (NUM_FRAMES - 1, 1)
    expected = expected_scores(tiny_scorer, np.delete(broken, 2, axis=0))
    found = [frame["quality"] for frame in frames if "quality" in frame]
    assert found == pytest.approx([score.quality for score in expected], abs=ALLOWED_DIFFERENCE)


def test_explanation_lies_on_the_frame(
    tiny_model: Path, tiny_scorer: StriqScorer, stored: NDArray[np.uint8], frames_file: str, tmp_path: Path
) -> None:
    folder = tmp_path / "maps"
    explain = {"command": "explain", "id": 3, "frames": frames_file, "index": 2, "folder": str(folder)}
    *_, answer = answers_to(load(tiny_model), explain)
    assert answer["event"] == "explained"
    assert answer["index"] == 2
    assert answer["anchor_picture"] is None  # this model came without pictures
    residual = np.load(answer["residual"])
    assert residual.shape == stored.shape[1:]
    outside = np.ones(residual.shape, dtype=bool)
    top, left, bottom, right = answer["crop"]
    outside[top:bottom, left:right] = False
    assert np.isnan(residual[outside]).all()
    frame = Cine("c", 1, lambda _: to_unit_gray(stored[2]))[0]
    cells = tiny_scorer.explain(frame).residual
    # Resampling with equal weights keeps the mean of the map, up to the cells cut by the fan's edge.
    assert np.nanmean(residual) == pytest.approx(np.nanmean(cells), rel=0.05)
    assert np.isnan(residual[top:bottom, left:right]).mean() == pytest.approx(np.isnan(cells).mean(), abs=0.05)


def test_picture_of_the_nearest_anchor_is_handed_over(
    tiny_model: Path, tiny_scorer: StriqScorer, stored: NDArray[np.uint8], frames_file: str, tmp_path: Path
) -> None:
    score = expected_scores(tiny_scorer, stored)[3]
    number = tiny_scorer.bank.sources[tiny_scorer.planes.index(score.scored_plane)].index(score.nearest_anchor)
    folder = tmp_path / "bundle"
    (folder / "models" / "anchors").mkdir(parents=True)
    (folder / "models" / "model.pt").write_bytes(tiny_model.read_bytes())
    wanted = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    Image.fromarray(wanted).save(folder / "models" / "anchors" / f"{score.scored_plane}_{number:02d}.png")
    explain = {"command": "explain", "frames": frames_file, "index": 3, "folder": str(tmp_path / "maps")}
    for checkpoint in (folder, folder / "models" / "model.pt"):
        *_, answer = answers_to(load(checkpoint), explain)
        assert answer["anchor_number"] == number
        np.testing.assert_array_equal(np.load(answer["anchor_picture"]), wanted)


def test_explanation_of_a_frame_that_is_not_there_is_refused(tiny_model: Path, frames_file: str) -> None:
    explain = {"command": "explain", "frames": frames_file, "index": NUM_FRAMES, "folder": "maps"}
    *_, answer = answers_to(load(tiny_model), explain)
    assert answer["event"] == "error"
    assert "has 6 frames, so index 6 is out of range" in answer["text"]


@pytest.mark.parametrize("done", [0, 2, 5])  # frames are scored by four; a cancel ends the score between any two
def test_cancel_keeps_what_is_done(done: int, tiny_model: Path, frames_file: str) -> None:
    answers: list[dict[str, Any]] = []
    interruptions = iter([False] * done + [True])
    worker = Worker(answers.append, lambda: next(interruptions))
    handle(worker, load(tiny_model))
    handle(worker, {"command": "score", "frames": frames_file})
    assert [answer["index"] for answer in frames_of(answers)] == list(range(done))
    assert answers[-1]["cancelled"] is True
    assert answers[-1]["scored"] == done


def test_cancel_that_is_waiting_is_seen_and_used_up() -> None:
    inbox = Inbox(iter(['{"command": "cancel"}', '{"command": "load"}']))
    commands = iter(inbox)
    assert isinstance(next(commands), Load)  # a cancel with nothing to end is passed over
    busy = Inbox(_slow_lines())
    assert isinstance(next(iter(busy)), Score)
    while not busy.interrupted():
        pass
    assert not busy.interrupted()


def _slow_lines() -> Iterator[str]:
    yield '{"command": "score", "file": "cine.dcm"}'
    time.sleep(0.2)
    yield '{"command": "cancel"}'


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("no json", "is not JSON"),
        ("[1]", "not an object"),
        (
            '{"command": "fly", "id": 4}',
            "'fly' is unknown. Expected one of: load, score, explain, find, read, report, cancel, stop",
        ),
        ('{"command": "score", "frames": "x.npy"}', "No model is loaded"),
        ('{"command": "load", "model": "/nowhere/model.pt"}', "no model there"),
        ('{"command": "load", "device": "abacus"}', "abacus"),
        ('{"command": "load", "device": 1}', "'device' must be a string, got 1"),
        ('{"command": "explain", "file": "x.dcm", "folder": "maps"}', "needs 'index', a whole number"),
    ],
)
def test_wrong_commands_are_answered_and_survived(command: str, complaint: str, tiny_model: Path) -> None:
    _, answer, loaded = answers_to(command, load(tiny_model))
    assert answer["event"] == "error"
    assert complaint in answer["text"]
    assert loaded["event"] == "loaded"


def test_model_before_does_not_stand_in_for_one_that_fails(tiny_model: Path, frames_file: str) -> None:
    missing = {"command": "load", "model": "/nowhere/model.pt"}
    *_, answer = answers_to(load(tiny_model), missing, {"command": "score", "frames": frames_file})
    assert answer["event"] == "error"
    assert "No model is loaded" in answer["text"]


def test_command_without_its_frames_names_what_is_missing(tiny_model: Path) -> None:
    *_, answer = answers_to(load(tiny_model), {"command": "score", "id": 9})
    assert (answer["event"], answer["id"]) == ("error", 9)
    assert "The command 'score' cannot be carried out. Expected either 'file' or 'frames'" in answer["text"]


def test_unknown_plane_is_refused_before_any_frame(tiny_model: Path, frames_file: str) -> None:
    *_, answer = answers_to(load(tiny_model), {"command": "score", "frames": frames_file, "plane": "face"})
    assert answer["event"] == "error"
    assert "does not know the plane 'face'" in answer["text"]


@pytest.mark.parametrize("content", ["flat", "pickled", "text", "archive", "empty", "garbage", "missing"])
def test_file_without_pictures_is_refused_and_survived(content: str, tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    with path.open("wb") as stream:
        if content == "flat":
            np.save(stream, np.zeros((4, 4), np.uint8))
        elif content == "pickled":
            np.save(stream, np.full((2, 4, 4), None), allow_pickle=True)
        elif content == "text":
            np.save(stream, np.full((2, 4, 4), "a"))
        elif content == "archive":
            np.savez(stream, pictures=np.zeros((2, 4, 4)))
        elif content == "garbage":
            stream.write(b"no array")
    if content == "missing":
        path.unlink()
    _, loaded, answer, again = answers_to(load(tiny_model), {"command": "score", "frames": str(path)}, load(tiny_model))
    assert answer["event"] == "error"
    assert str(path) in answer["text"]
    assert "Expected an array of shape (N, H, W)" in answer["text"]
    assert again == loaded


@pytest.mark.parametrize("full_at", [0, 1, 2])  # at the first batch of two frames, at the second, at the third
def test_full_accelerator_falls_back_to_the_cpu_and_says_so(
    full_at: int,
    tiny_scorer: StriqScorer,
    tiny_model: Path,
    stored: NDArray[np.uint8],
    frames_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[dict[str, Any]] = []
    worker = Worker(answers.append, lambda: False)
    handle(worker, load(tiny_model))
    expected = expected_scores(tiny_scorer, stored)
    moved_to: list[str] = []
    batches: list[int] = []
    real_score, real_to = StriqScorer._score_batch, StriqScorer.to

    def full(scorer: StriqScorer, *given: Any) -> list[FrameScore]:
        batches.append(len(given[0].frames))
        if not moved_to and len(batches) > full_at:
            raise torch.OutOfMemoryError
        where = scorer.range_low.device
        with monkeypatch.context() as patch:
            patch.setattr(StriqScorer, "device", property(lambda _: where))  # that the tensors really are on
            return real_score(scorer, *given)

    def to(scorer: StriqScorer, device: str) -> StriqScorer:
        moved_to.append(device)
        return real_to(scorer, device)

    where = property(lambda _: torch.device(moved_to[-1] if moved_to else "cuda"))
    monkeypatch.setattr(scorer_module, "ACCELERATED_BATCH_SIZE", 2)
    monkeypatch.setattr(StriqScorer, "_score_batch", full)
    monkeypatch.setattr(StriqScorer, "to", to)
    monkeypatch.setattr(StriqScorer, "device", where)
    handle(worker, {"command": "score", "id": 5, "frames": frames_file})
    notices = [answer for answer in answers if answer["event"] == "notice"]
    assert [(notice["id"], notice["device"]) for notice in notices] == [(5, "cpu")]
    assert "CUDA ran out" in notices[0]["text"]
    assert batches[: full_at + 1] == [2] * (full_at + 1)
    assert [answer["index"] for answer in frames_of(answers)] == list(range(NUM_FRAMES))
    found = [answer["quality"] for answer in frames_of(answers)]
    assert found == pytest.approx([score.quality for score in expected], abs=ALLOWED_DIFFERENCE)
    assert answers[-1]["device"] == "cpu"


def test_model_that_does_not_fit_is_loaded_on_the_cpu_and_said(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[dict[str, Any]] = []
    tried: list[str] = []
    real_load = loaded_model.load_scorer

    def full(path: str, device: str, **_: str) -> StriqScorer:
        tried.append(device)
        if device != "cpu":
            raise torch.OutOfMemoryError
        return real_load(path, device)

    monkeypatch.setattr(loaded_model, "load_scorer", full)
    monkeypatch.setattr(loaded_model, "check_device", lambda device: device)
    handle(Worker(answers.append, lambda: False), {**load(tiny_model), "device": "cuda"})
    assert tried == ["cuda", "cpu"]
    assert [answer["event"] for answer in answers] == ["notice", "loaded"]
    assert "does not fit" in answers[0]["text"]
    assert answers[1]["device"] == "cpu"


@pytest.mark.slow
def test_process_answers_through_its_pipes_and_ends_with_them(tiny_model: Path, frames_file: str) -> None:
    commands = [load(tiny_model), {"command": "score", "frames": frames_file}]
    finished = subprocess.run(
        [sys.executable, "-m", "striq.service"],
        input="".join(json.dumps(command) + "\n" for command in commands),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    events = [json.loads(line)["event"] for line in finished.stdout.splitlines()]
    # The input ends while frames are scored: the work begun is finished all the same.
    assert events == ["ready", "loaded", *["frame"] * NUM_FRAMES, "finished"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_real_lack_of_gpu_memory_falls_back_to_the_cpu(tiny_model: Path, frames_file: str) -> None:
    answers: list[dict[str, Any]] = []
    worker = Worker(answers.append, lambda: False)
    handle(worker, {**load(tiny_model), "device": "cuda"})
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved() / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(held + 1e-6)
    try:
        handle(worker, {"command": "score", "frames": frames_file})
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert [answer["event"] for answer in answers].count("notice") == 1
    assert answers[-1]["scored"] == NUM_FRAMES
    assert answers[-1]["device"] == "cpu"


def test_lines_are_bounded_and_any_bytes_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striq.service.server.MAX_LINE_BYTES", 1000)
    stream = io.BytesIO(b"one\n" + b"x" * 5500 + b"\n" + b"\xff\xfe\n" + b"y" * 1000 + b"\nlast")
    assert [line.strip()[:80] for line in text_lines(stream)] == ["one", "x" * 80, "\ufffd\ufffd", "y" * 80, "last"]


HARD_TO_OPEN = [
    {"file": os.devnull},
    {"file": "/"},
    {"file": "\0"},
    {"file": "a" * 5000},
    {"file": "pipe"},
    {"frames": "pipe"},
    {"frames": "/"},
    {"frames": "\0"},
    {"frames": "a" * 5000},
    {"frames": "stack.npy", "times_s": [10**400]},
    {"frames": "stack.npy", "plane": "\ud800"},
    {"frames": "stack.npy", "command": "explain", "index": 10**30, "folder": "maps"},
    {"frames": "stack.npy", "command": "explain", "index": 0, "folder": "stack.npy"},
    {"command": "load", "model": "pipe"},
    {"command": "load", "model": "a" * 5000},
    {"command": "load", "device": "\0"},
]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_whatever_a_command_names_is_answered_soon(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    np.save("stack.npy", np.random.default_rng(0).integers(0, 255, (1, 96, 96), np.uint8))
    # Those that load a model end with none.
    commands = [{"command": "score", "id": number, **fields} for number, fields in enumerate(HARD_TO_OPEN)]
    started = time.process_time()
    _, _, *answers = answers_to(load(tiny_model), *commands)
    assert [(answer["event"], answer["id"]) for answer in answers] == [("error", c["id"]) for c in commands]
    assert time.process_time() - started < 20


def test_any_exception_of_a_command_is_an_error_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Worker, "_load", fail)
    _, first, second = answers_to({"command": "load", "id": 1}, {"command": "score", "id": 2, "file": "a"})
    assert (first["event"], first["id"], first["text"]) == ("error", 1, "ZeroDivisionError")
    assert (second["event"], second["id"]) == ("error", 2)


def test_threads_are_chosen_again_for_each_command(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("striq.service.worker.use_threads", lambda: asked.append(1))
    worker = Worker(lambda _: None, lambda: False)
    for line in ("nonsense", "{}", "[]"):
        worker.handle(parse_request(line))  # type: ignore[arg-type]
    assert len(asked) == 3
