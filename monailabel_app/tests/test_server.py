"""Tests of the app on a running server: scores by HTTP, notes, order of the worklist, in this order."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from serving import REAL_DATA, Server, scores_of_command_line

ALLOWED_DIFFERENCE = 1e-5
NUM_IMAGES, NUM_FRAMES = 4, 5


def assert_as_command_line(frame: dict, row: dict) -> None:
    assert frame["quality"] == pytest.approx(float(row["quality"]), abs=ALLOWED_DIFFERENCE)
    assert frame["plane"] == row["plane"]
    assert frame["accepted"] == (row["accepted"] == "true")
    for term in ("similarity", "ncc", "smoothness"):
        assert frame["terms"][term] == pytest.approx(float(row[term]), abs=ALLOWED_DIFFERENCE)


def test_info_offers_model_scoring_method_and_strategy_first(server: Server, files: Path) -> None:
    info = server.get("/info/")
    model = info["models"]["striq_quality"]
    assert model["type"] == "classification"
    assert model["config"] == {"plane": ["auto", "a4c", "abdomen"], "threshold": 0.5}
    assert model["scorer"]["model"] == str(files / "model.pt")
    assert next(iter(info["strategies"])) == "worst_first"
    assert "striq_quality" in info["scoring"]
    assert info["labels"] == []  # a client creates a segment for each
    assert "never for diagnosis" in info["notice"]
    assert info["datastore"]["total"] == NUM_IMAGES


def test_posted_image_gets_the_score_of_the_command_line(server: Server, files: Path, expected: dict) -> None:
    for name in ("good.png", "poor.png"):
        answer = server.infer(upload=files / name)
        assert answer.status_code == 200, answer.text
        score = answer.json()
        assert_as_command_line(score["frames"][0], expected[name, 0])
        assert score["quality"] == score["frames"][0]["quality"] == score["prediction"][0]["score"]
        assert score["verdict"] == ("accepted" if score["frames"][0]["accepted"] else "rejected")
        assert len(score["model"]["sha256"]) == 64


def test_image_of_the_datastore_gets_the_same_score(server: Server, expected: dict) -> None:
    assert_as_command_line(server.infer("good").json()["frames"][0], expected["good.png", 0])


def test_cine_gets_a_score_per_frame_and_their_median(server: Server, expected: dict) -> None:
    score = server.infer("cine").json()
    assert (score["num_frames"], score["num_scored"]) == (NUM_FRAMES, NUM_FRAMES)
    for index, frame in enumerate(score["frames"]):
        assert_as_command_line(frame, expected["cine.dcm", index])
        assert frame["time_s"] == pytest.approx(0.04 * index)
    qualities = sorted(float(expected["cine.dcm", index]["quality"]) for index in range(NUM_FRAMES))
    assert score["quality"] == pytest.approx(qualities[NUM_FRAMES // 2], abs=ALLOWED_DIFFERENCE)
    assert score["best_frame"]["quality"] == pytest.approx(qualities[-1], abs=ALLOWED_DIFFERENCE)
    planes = Counter(expected["cine.dcm", index]["plane"] for index in range(NUM_FRAMES))
    assert score["plane"] == planes.most_common(1)[0][0]


def test_request_chooses_plane_and_threshold(server: Server, files: Path, tmp_path: Path) -> None:
    named = scores_of_command_line(tmp_path / "s.csv", files / "model.pt", files / "good.png", plane="a4c")
    score = server.infer("good", params=json.dumps({"plane": "a4c", "threshold": 0.0})).json()
    assert_as_command_line(score["frames"][0], {**named["good.png", 0], "accepted": "true"})
    assert server.infer("good", params='{"threshold": 1}').json()["verdict"] == "rejected"


@pytest.mark.parametrize(
    ("image", "params", "status", "complaint"),
    [
        ("broken", "{}", 422, "cannot be read"),
        ("nosuch", "{}", 404, "no such image"),
        ("good", '{"plane": "face"}', 422, "does not know 'face'; expected one of auto, a4c, abdomen"),
        ("good", '{"threshold": "high"}', 422, "'threshold' must be a number from 0 to 1, got 'high'"),
        ("good", '{"threshold": NaN}', 422, "'threshold' must be"),
    ],
)
def test_bad_request_is_refused_in_words_and_the_server_lives_on(
    image: str, params: str, status: int, complaint: str, server: Server
) -> None:
    answer = server.infer(image, params=params)
    assert answer.status_code == status
    assert complaint in answer.json()["detail"]
    assert server.infer("good").status_code == 200


def test_image_outside_the_datastore_is_refused(server: Server, files: Path) -> None:
    answer = server.infer(str(files / "good.png"))
    assert answer.status_code == 404
    assert "no such image" in answer.json()["detail"]


@pytest.mark.parametrize(
    "image",
    [
        *("/etc/passwd", "../../etc/passwd", "../" * 12 + "etc/passwd", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd"),
        *("..", ".", "/", "good.png", "good/../../secret", "goo\0d", "x" * 5000, "file:///etc/passwd", "~", "*"),
        "../../../../../proc/self/environ",
    ],
    ids=lambda image: image[:30].replace("\0", "0"),
)
def test_whatever_is_no_image_of_the_datastore_is_refused_in_words(image: str, server: Server) -> None:
    answer = server.infer(image)
    assert answer.status_code == 404, answer.text
    assert "image" in answer.json()["detail"].lower()
    assert "root:" not in answer.text
    assert server.infer("good").status_code == 200


def test_path_through_a_link_out_of_the_datastore_is_refused(server: Server, files: Path) -> None:
    link = server.studies / "folder"
    link.symlink_to(files, target_is_directory=True)
    try:
        for name in (link / "poor.png", f"{server.studies}/../{files.name}/poor.png"):
            answer = server.infer(str(name))
            assert answer.status_code == 404, answer.text
            assert "no such image" in answer.json()["detail"]
    finally:
        link.unlink()
    assert server.infer("good").status_code == 200


def test_unknown_model_is_refused_in_words(server: Server) -> None:
    answer = server.infer("good", model="other")
    assert answer.status_code == 404
    assert "other" in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 128 + b"DICM" + b"\xff" * 40, b"NRRD0005\ntype: uchar\n"])
def test_damaged_upload_is_refused_and_the_server_lives_on(content: bytes, server: Server, tmp_path: Path) -> None:
    upload = tmp_path / "damaged.dcm"
    upload.write_bytes(content)
    answer = server.infer(upload=upload)
    assert answer.status_code == 422
    assert "Expected" in answer.json()["detail"]
    assert server.infer("good").status_code == 200


def test_scoring_process_that_was_killed_is_started_again(server: Server, expected: dict) -> None:
    (process,) = server.scoring_processes()
    process.kill()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)
    answer = server.infer("good")
    assert answer.status_code == 200, answer.text
    assert_as_command_line(answer.json()["frames"][0], expected["good.png", 0])
    assert [again.pid for again in server.scoring_processes()] != [process.pid]


def test_scores_are_noted_at_the_start_and_the_unreadable_stays_in_the_list(server: Server, expected: dict) -> None:
    notes = server.notes(when_scored=NUM_IMAGES)
    assert set(notes) == {"good", "poor", "cine", "broken"}
    for image in ("good", "poor"):
        assert notes[image]["striq_quality"] == pytest.approx(
            float(expected[f"{image}.png", 0]["quality"]), abs=ALLOWED_DIFFERENCE
        )
        assert notes[image]["striq_plane"] == expected[f"{image}.png", 0]["plane"]
        is_accepted = expected[f"{image}.png", 0]["accepted"] == "true"
        assert notes[image]["striq_verdict"] == ("accepted" if is_accepted else "rejected")
    assert notes["cine"]["striq_frames"] == NUM_FRAMES
    assert notes["broken"]["striq_quality"] is None
    assert "cannot be read" in notes["broken"]["striq_error"]


def test_worst_is_shown_first_the_unscored_last_then_from_the_start(server: Server) -> None:
    notes = server.notes(when_scored=NUM_IMAGES)
    scored = sorted((image for image in notes if image != "broken"), key=lambda image: notes[image]["striq_quality"])
    shown = [server.next_sample() for _ in range(NUM_IMAGES)]
    assert [sample["id"] for sample in shown] == [*scored, "broken"]
    assert shown[0]["striq_quality"] == notes[scored[0]]["striq_quality"]
    assert Path(shown[0]["path"]).is_file()


def test_image_that_arrives_later_is_scored_with_the_next_sample(server: Server, expected: dict) -> None:
    shutil.copy(server.studies / "poor.png", server.studies / "late.png")
    while "late" not in server.get("/datastore/?output=all")["objects"]:
        pass
    server.next_sample()
    late = server.notes(when_scored=NUM_IMAGES + 1)["late"]
    assert late["striq_quality"] == pytest.approx(float(expected["poor.png", 0]["quality"]), abs=ALLOWED_DIFFERENCE)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"needs the real ultrasound files in {REAL_DATA}")
def test_posted_real_image_gets_the_score_of_the_command_line(server: Server, files: Path, tmp_path: Path) -> None:
    paths = [REAL_DATA / "dicom_us" / name for name in ("US1_J2KR.dcm", "OBXXXX1A_rle_2frame.dcm")]
    rows = scores_of_command_line(tmp_path / "s.csv", files / "model.pt", *paths)
    for path in paths:
        score = server.infer(upload=path).json()
        assert score["num_frames"] == score["num_scored"] > 0
        for index, frame in enumerate(score["frames"]):
            assert_as_command_line(frame, rows[path.name, index])


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"needs the real ultrasound files in {REAL_DATA}")
def test_real_file_that_no_decoder_reads_is_refused_in_words(server: Server) -> None:
    answer = server.infer(upload=REAL_DATA / "dicom_us" / "unsupported_jpegxl_27f.dcm")
    assert answer.status_code == 422
    assert "compressed in a way that cannot be decoded here" in answer.json()["detail"]
