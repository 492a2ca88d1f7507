"""Tests of ``striq.scoring.opening``: files in order, the next one read while the present one is scored."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.cine import Cine
from striq.data.phantom import make_phantom_cine
from striq.data.preprocessing import crop_and_prepare
from striq.errors import ReadError
from striq.scoring import opening
from striq.scoring.opening import open_ahead

SIZE = (64, 64)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three still images, and a broken one among them."""
    folder = tmp_path_factory.mktemp("stills")
    paths = [folder / f"{name}.png" for name in ("c", "a", "broken", "b")]
    for path, frame in zip(paths, make_phantom_cine("kidney", 4, 2, size=(128, 128)), strict=True):
        Image.fromarray((frame.pixels * 255).astype(np.uint8)).save(path)
    paths[2].write_bytes(b"\x89PNG")
    return paths


@pytest.fixture(params=[True, False], ids=["spare core", "no spare core"])
def spare(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(opening, "has_spare_core", lambda: request.param)
    return request.param


def test_files_come_in_order_and_a_broken_one_is_its_error(files: list[Path], spare: bool) -> None:
    found = list(open_ahead(files))
    assert [path for path, _ in found] == files
    assert [isinstance(cine, Cine) for _, cine in found] == [True, True, False, True]
    assert isinstance(found[2][1], ReadError)


def test_frames_read_ahead_are_the_same(files: list[Path], spare: bool) -> None:
    for _, cine in open_ahead([files[0], files[1]]):
        assert isinstance(cine, Cine)
        image, box = crop_and_prepare(cine[0], SIZE)
        again, same_box = crop_and_prepare(cine[0], SIZE)  # read from the file
        assert bool((image == again).all())
        assert box == same_box


def test_next_file_is_read_while_the_present_one_is_used(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "has_spare_core", lambda: True)
    read, opened = threading.Event(), opening.open_cine

    def open_and_note(path: Path) -> Cine:
        cine = opened(path)
        if path == files[1]:
            read.set()
        return cine

    monkeypatch.setattr(opening, "open_cine", open_and_note)
    ahead = open_ahead(files[:2])
    next(ahead)
    assert read.wait(timeout=20)
    ahead.close()  # type: ignore[attr-defined]


def test_error_of_a_frame_read_ahead_is_raised_where_it_is_used() -> None:
    def read(_: int) -> np.ndarray:
        return np.zeros((100, 100), np.float32)

    cine = Cine("black", 1, read)
    cine.read_ahead()
    for _ in range(2):
        with pytest.raises(ReadError, match="empty"):
            _ = cine[0]


def test_frames_of_a_cine_are_not_read_ahead() -> None:
    read: list[int] = []

    def note(index: int) -> np.ndarray:
        read.append(index)
        return np.eye(100, dtype=np.float32)

    Cine("loop", 3, note).read_ahead()
    assert not read
