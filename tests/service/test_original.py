"""Tests of pictures that another program read from a file: they are scored as the file, unless they were edited."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.phantom import make_phantom_cine
from striq.errors import ReadError
from striq.service.cines import open_requested
from striq.service.requests import Score

SIZE = (96, 120)


@pytest.fixture
def gray() -> np.ndarray:
    """Three pictures of 8 bits, shape ``(3, H, W)``."""
    frames = make_phantom_cine("a4c", 3, seed=4, size=SIZE)
    return np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])


@pytest.fixture
def original(gray: np.ndarray, tmp_path: Path) -> Path:
    """The file of the pictures."""
    first, *others = (Image.fromarray(picture) for picture in gray)
    first.save(tmp_path / "cine.tif", save_all=True, append_images=others)
    return tmp_path / "cine.tif"


def request(pictures: np.ndarray, original: Path, first: int = 0) -> Score:
    path = original.with_name("frames.npy")
    np.save(path, pictures)
    return Score(frames=str(path), original=str(original), original_index=first)


def converted(gray: np.ndarray) -> np.ndarray:
    """Return pictures in RGB whose colors were clipped on the way."""
    colors = np.stack([gray.astype(int) + shift for shift in (4, -2, -3)], axis=-1)
    return np.clip(colors, 0, 255).astype(np.uint8)


def test_converted_pictures_have_the_gray_values_of_their_file(gray: np.ndarray, original: Path) -> None:
    cine = open_requested(request(converted(gray), original))
    for index in range(3):
        np.testing.assert_array_equal(cine[index].pixels, gray[index].astype(np.float32) / np.float32(255))


def test_one_picture_of_a_file_is_found_by_its_number(gray: np.ndarray, original: Path) -> None:
    cine = open_requested(request(converted(gray)[2:], original, 2))
    np.testing.assert_array_equal(cine[0].pixels, gray[2].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("case", ["edited", "beyond", "absent", "other size"])
def test_other_pictures_than_those_of_the_file_are_scored_as_they_are(
    case: str, gray: np.ndarray, original: Path
) -> None:
    pictures, first = gray.copy(), 0
    if case == "edited":
        pictures[:, 30:60, 40:80] //= 2
    elif case == "beyond":
        first = 1
    elif case == "absent":
        original = original.with_name("absent.tif")
    else:
        pictures = np.pad(pictures, ((0, 0), (2, 0), (0, 0)))
    cine = open_requested(request(pictures, original, first))
    for index in range(3):
        np.testing.assert_array_equal(cine[index].pixels, pictures[index].astype(np.float32) / np.float32(255))


def test_single_picture_that_was_edited_is_refused_among_others(gray: np.ndarray, original: Path) -> None:
    many = np.concatenate([gray, gray])
    first, *others = (Image.fromarray(picture) for picture in many)
    first.save(original, save_all=True, append_images=others)
    edited = many.copy()
    edited[1, 30:60, 40:80] //= 2  # neither the first nor the last nor the one between
    cine = open_requested(request(edited, original))
    np.testing.assert_array_equal(cine[0].pixels, many[0].astype(np.float32) / np.float32(255))
    with pytest.raises(ReadError, match="differs from the file"):
        _ = cine[1]
