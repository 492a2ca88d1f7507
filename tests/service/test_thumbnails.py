"""Tests of the commands ``find`` and ``read``: files of a folder, and frames of a file as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ultrasound_files import write_ultrasound

from striq.data.cine import Cine
from striq.data.phantom import make_phantom_cine
from striq.data.readers import open_cine
from striq.errors import ReadError
from striq.service.pictures import find_files, write_pictures
from striq.service.requests import Find, Malformed, Read, parse_request
from striq.service.worker import Worker

NUM_FRAMES = 4


def answer_to(request: Find | Read) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    Worker(answers.append, lambda: False).handle(request)
    assert len(answers) == 1
    return answers[0]


@pytest.fixture
def cine_file(tmp_path: Path) -> Path:
    """A DICOM cine of 8 bits."""
    frames = make_phantom_cine("a4c", NUM_FRAMES, seed=3, size=(96, 120))
    stored = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
    return write_ultrasound(tmp_path / "study" / "deep" / "cine.dcm", stored, series="1.2", study="1.3")


def test_folder_is_searched_with_its_subfolders(cine_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    (folder / "notes.txt").write_text("no picture")
    Image.fromarray(np.arange(96 * 96, dtype=np.uint8).reshape(96, 96)).save(folder / "still.png")
    found = answer_to(Find(id=3, folder=str(folder)))
    assert found == {"event": "found", "id": 3, "files": [str(cine_file), str(folder / "still.png")]}


def test_folder_without_readable_files_is_empty(tmp_path: Path) -> None:
    assert find_files(tmp_path) == []


def test_absent_folder_is_said(tmp_path: Path) -> None:
    found = answer_to(Find(id=4, folder=str(tmp_path / "absent")))
    assert found["event"] == "error"
    assert "There is no such folder" in found["text"]


def test_pictures_are_the_gray_values_of_the_file(cine_file: Path, tmp_path: Path) -> None:
    found = answer_to(Read(id=5, file=str(cine_file), folder=str(tmp_path / "out")))
    cine = open_cine(cine_file)
    assert found["total"] == NUM_FRAMES
    assert found["times_s"] == (None if cine.times_s is None else list(cine.times_s))
    assert found["spacing_mm"] == (None if cine.spacing_mm is None else list(cine.spacing_mm))
    pictures = np.load(found["pictures"])
    assert pictures.dtype == np.uint8
    np.testing.assert_allclose(pictures / 255, np.stack([frame.pixels for frame in cine]), atol=0.5 / 255 + 1e-6)


def test_number_of_frames_is_told_without_pictures(cine_file: Path, tmp_path: Path) -> None:
    found = answer_to(Read(id=5, file=str(cine_file), folder=str(tmp_path / "out"), count=0))
    assert (found["total"], found["pictures"]) == (NUM_FRAMES, None)
    assert not (tmp_path / "out").exists()


def test_one_small_picture(cine_file: Path, tmp_path: Path) -> None:
    found = answer_to(Read(id=5, file=str(cine_file), folder=str(tmp_path), first=2, count=1, max_side=60))
    (picture,) = np.load(found["pictures"])
    assert max(picture.shape) == 60
    height, width = open_cine(cine_file)[2].pixels.shape
    assert picture.shape[0] / picture.shape[1] == pytest.approx(height / width, rel=0.05)


def damaged(bad: set[int]) -> Cine:
    def read(index: int) -> np.ndarray:
        if index in bad:
            raise ReadError("The frame is damaged", where="c", expected="pixels", got="none", remedy="Export it again.")
        return np.linspace(0, 1, 96 * 100, dtype=np.float32).reshape(96, 100) * (index + 1) / NUM_FRAMES

    return Cine("c", NUM_FRAMES, read)


def test_frame_that_cannot_be_read_is_black_and_the_others_keep_their_places(tmp_path: Path) -> None:
    path = write_pictures(damaged({0, 2}), Read(file="c", folder=str(tmp_path)))
    assert path is not None
    pictures = np.load(path)
    assert [bool(picture.any()) for picture in pictures] == [False, True, False, True]
    assert pictures[3].max() == 255
    assert pictures[1].max() == 128


def test_no_frame_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="damaged"):
        write_pictures(damaged({0, 1, 2, 3}), Read(file="c", folder=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_frame_beyond_the_end_is_an_error(cine_file: Path, tmp_path: Path) -> None:
    found = answer_to(Read(id=5, file=str(cine_file), folder=str(tmp_path), first=NUM_FRAMES))
    assert found["event"] == "error"
    assert "'first' cannot be 4" in found["text"]


@pytest.mark.parametrize("field", ["first", "count", "max_side"])
def test_negative_numbers_are_refused(field: str) -> None:
    found = parse_request(f'{{"command": "read", "file": "a", "folder": "b", "{field}": -1}}')
    assert isinstance(found, Malformed)
    assert f"'{field}' must be at least" in found.reason
