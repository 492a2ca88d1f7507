"""Tests of ``striq.registration.motion``: the words say what is seen when the reference is warped onto the frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from striq.registration.affine import warp
from striq.registration.motion import describe_motion, motion_of

SIZE = (120, 160)  # rows and columns of the box
SPACING = (0.5, 0.5)


def spot(center: tuple[float, float]) -> torch.Tensor:
    """Return a picture with one bright spot at a row and a column."""
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    return torch.exp(-((rows - center[0]) ** 2 + (columns - center[1]) ** 2) / 18)[None, None].float()


def place(picture: torch.Tensor) -> NDArray[np.float64]:
    """Return the (x, y) of a spot in pixels from the center of the picture."""
    weight = picture[0, 0].double()
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    center = torch.tensor([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    return (torch.stack([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum() - center).numpy()


def pull_back(
    angle_deg: float = 0.0, scale: float = 1.0, right_px: float = 0.0, down_px: float = 0.0
) -> NDArray[np.float64]:
    """Return the pull-back of a rotation clockwise, an enlargement and a move, in that order, ±1 at the edges."""
    angle, half = math.radians(angle_deg), np.array([SIZE[1] / 2, SIZE[0] / 2])
    turned = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    forward = np.eye(3)
    forward[:2, :2], forward[:2, 2] = turned * half / half[:, None], np.array([right_px, down_px]) / half
    return np.linalg.inv(forward)[:2]


def moved(transform: NDArray[np.float64], center: tuple[float, float]) -> tuple[NDArray[np.float64], ...]:
    """Return the place of a spot of the reference, and its place after the reference is warped onto the frame."""
    reference = spot(center)
    return place(reference), place(warp(reference, torch.from_numpy(transform).float()[None]))


@pytest.mark.parametrize(
    ("right", "down", "words"), [(-12, 0, "6 mm left"), (0, -8, "4 mm up"), (10, 20, "5 mm right and 10 mm down")]
)
def test_distances_are_those_that_the_reference_is_seen_to_move(right: float, down: float, words: str) -> None:
    transform = pull_back(right_px=right, down_px=down)
    before, after = moved(transform, (60, 80))
    np.testing.assert_allclose(after - before, [right, down], atol=0.1)
    assert describe_motion(transform, SIZE, SPACING) == f"move {words}"


@pytest.mark.parametrize(("angle", "words"), [(8, "8 degrees clockwise"), (-20, "20 degrees counterclockwise")])
def test_angle_is_that_by_which_the_reference_is_seen_to_turn(angle: float, words: str) -> None:
    transform = pull_back(angle)
    before, after = moved(transform, (60, 110))  # on the right of the center; y grows downward
    seen = math.degrees(math.atan2(after[1], after[0]) - math.atan2(before[1], before[0]))
    assert seen == pytest.approx(angle, abs=0.3)
    assert motion_of(transform, SIZE).angle_deg == pytest.approx(angle)
    assert describe_motion(transform, SIZE, SPACING) == f"rotate {words}"


def test_size_is_that_to_which_the_reference_is_seen_to_grow() -> None:
    transform = pull_back(scale=1.25)
    before, after = moved(transform, (80, 110))
    np.testing.assert_allclose(after, 1.25 * before, atol=0.2)
    assert describe_motion(transform, SIZE, SPACING) == "enlarge by 25 %"
    assert describe_motion(pull_back(scale=0.9), SIZE, SPACING) == "shrink by 10 %"


def test_steps_are_named_in_the_order_in_which_they_are_done() -> None:
    transform = pull_back(8, 1.1, -12, 6)
    motion = motion_of(transform, SIZE)
    assert (motion.angle_deg, motion.scale, motion.right, motion.down) == pytest.approx((8, 1.1, -12, 6))
    words = describe_motion(transform, SIZE, SPACING)
    assert words == "rotate 8 degrees clockwise, enlarge by 10 %, move 6 mm left and 3 mm down"


def test_pixels_that_are_not_square_do_not_turn_a_rotation_into_a_shear() -> None:
    spacing, angle = (0.25, 0.5), math.radians(15)
    half = np.array([SIZE[1] * spacing[1], SIZE[0] * spacing[0]]) / 2
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    transform = np.linalg.inv(np.vstack([np.hstack([turn * half / half[:, None], [[0.0], [0.0]]]), [0, 0, 1]]))[:2]
    assert describe_motion(transform, SIZE, spacing) == "rotate 15 degrees clockwise"
    assert "stretch" in describe_motion(transform, SIZE, None)


@pytest.mark.parametrize(
    ("linear", "words"),
    [
        ([[1 / 1.2, 0], [0, 1]], "enlarge by 10 %, stretch by 20 % horizontally"),
        ([[1, 0], [0, 1 / 1.2]], "enlarge by 10 %, stretch by 20 % vertically"),
        ([[-1, 0], [0, 1]], "mirror left to right"),
        ([[1, 0], [0, 1]], "stay as it is"),
        ([[1.001, 0], [0, 1.001]], "stay as it is"),
    ],
)
def test_other_motions_have_words(linear: list[list[float]], words: str) -> None:
    assert describe_motion(np.array([[*linear[0], 0.0], [*linear[1], 0.0]]), SIZE, SPACING) == words


def test_distances_without_spacing_are_shares_of_the_fan() -> None:
    words = describe_motion(pull_back(right_px=-16, down_px=12), SIZE, None)
    assert words == "move 10 % of the fan's width left and 10 % of the fan's height down"
    assert "mm" not in words


def test_diagonal_stretch_has_its_direction() -> None:
    turn = np.array([[1, -1], [1, 1]]) / math.sqrt(2)
    stretched = np.linalg.inv(turn @ np.diag([1.3, 1.0]) @ turn.T)
    motion = motion_of(np.hstack([stretched, [[0.0], [0.0]]]), (100, 100))
    assert (motion.stretch, abs(motion.stretch_deg), motion.angle_deg) == pytest.approx((1.3, 45, 0), abs=1e-9)


def test_transform_without_an_area_is_refused() -> None:
    with pytest.raises(ValueError, match="onto an area"):
        motion_of(np.zeros((2, 3)), SIZE)
    assert describe_motion(np.zeros((2, 3)), SIZE, SPACING) == "shrink to a line or a point"
