"""Tests of transforms in words; the oracle is the motion that made the frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
from UltrasoundPlaneQCLib.TransformWords import cropMatrix, describeTransform

CROP, SPACING = (10, 20, 110, 220), (0.5, 0.25)  # 100 rows of 0.5 mm, 200 columns of 0.25 mm: 50 x 50 mm


def pull_back(forward_mm: np.ndarray) -> np.ndarray:
    """Return the pull-back, in box coordinates, of a motion in mm about the center of the box."""
    scale = np.diag([25.0, 25.0, 1.0])  # box coordinates to mm from the center
    return np.linalg.inv(np.linalg.inv(scale) @ forward_mm @ scale)[:2]


def motion(degrees: float = 0.0, shift: tuple[float, float] = (0, 0), size: float = 1.0) -> np.ndarray:
    turn = math.radians(degrees)  # x to the right, y down: positive is clockwise to the viewer
    cos, sin = size * math.cos(turn), size * math.sin(turn)
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [0, 0, 1]])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (motion(), "lies like the reference"),
        (motion(degrees=8), "rotated 8° clockwise"),
        (motion(degrees=-8), "rotated 8° counterclockwise"),
        (motion(shift=(-6, 0)), "shifted 6 mm left"),
        (motion(shift=(6, 0)), "shifted 6 mm right"),
        (motion(shift=(0, 4)), "shifted 4 mm down"),
        (motion(shift=(0, -4)), "shifted 4 mm up"),
        (motion(size=1.1), "10 % larger"),
        (motion(size=0.9), "10 % smaller"),
        (motion(8, (-6, 2), 1.05), "rotated 8° clockwise, shifted 6 mm left and 2 mm down, 5 % larger"),
        (motion(0.5, (0.3, -0.3), 1.01), "lies like the reference"),
    ],
)
def test_words_name_the_motion_of_the_frame(made: np.ndarray, said: str) -> None:
    assert describeTransform(pull_back(made), CROP, SPACING) == said


def test_pixels_are_named_where_the_spacing_is_unknown() -> None:
    shifted = np.array([[1.0, 0.0, -0.1], [0.0, 1.0, 0.0]])  # reads 0.1 to the left: content 10 of 200 pixels right
    assert describeTransform(shifted, CROP) == "shifted 10 pixels right"


def test_edges_of_the_box_are_at_one() -> None:
    place = cropMatrix(CROP)
    np.testing.assert_allclose(place @ [-1, -1, 1], [19.5, 9.5, 1])  # outer corner of the first pixel
    np.testing.assert_allclose(place @ [1, 1, 1], [219.5, 109.5, 1])
