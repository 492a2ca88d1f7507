"""A transform as a motion in words: turn, enlarge, move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST_ANGLE_DEG, SMALLEST_SHARE, SMALLEST_MM = 0.5, 0.005, 0.5  # smaller motions are not named
SMALLEST_STRETCH = 0.03
DIAGONAL_DEG = 30.0  # from an axis, from which on a direction is called diagonal
SMALLEST_DETERMINANT = 1e-6


@dataclass(frozen=True)
class Motion:
    """How a reference moves to lie on a frame.

    Convention:
        - The reference is turned, enlarged and stretched about the center of the fan's bounding box, then moved.
        - Angles are clockwise as displayed; ``right`` and ``down`` are positive toward the right and the bottom of the
          picture, in the units of the box's size.
        - Before it moves, the reference fills the box, because preprocessing removes size and aspect ratio.

    Attributes:
        angle_deg: Angle of the rotation.
        scale: Factor of the size, 1 for none.
        stretch: Length along ``stretch_deg`` divided by that across it, at least 1.
        stretch_deg: Direction of the stretch, clockwise from the horizontal, -90 to 90.
        right: Distance to the right.
        down: Distance downward.
        mirrored: Whether left and right are exchanged first.
    """

    angle_deg: float
    scale: float
    stretch: float
    stretch_deg: float
    right: float
    down: float
    mirrored: bool = False


def motion_of(transform: NDArray[np.floating], size: tuple[float, float]) -> Motion:
    """Return the motion of a transform.

    Args:
        transform: Pull-back from frame to reference in (x, y), ±1 at the edges of the box, shape ``(2, 3)``.
        size: Height and width of the box on the frame, in any unit of length.

    Raises:
        ValueError: If the transform maps the frame onto a line or a point.
    """
    linear, offset = np.asarray(transform, dtype=float)[:, :2], np.asarray(transform, dtype=float)[:, 2]
    if abs(np.linalg.det(linear)) < SMALLEST_DETERMINANT:
        msg = f"A transform must map the frame onto an area, got the linear part {linear.tolist()}."
        raise ValueError(msg)
    height, width = size
    half = np.array([width / 2, height / 2])
    forward = np.linalg.inv(linear)  # from the reference to the frame
    right, down = half * (-forward @ offset)
    moved = half[:, None] * forward / half
    mirrored = bool(np.linalg.det(moved) < 0)
    if mirrored:
        moved = moved @ np.diag([-1.0, 1.0])
    left, lengths, across = np.linalg.svd(moved)
    rotation = left @ across
    direction = math.degrees(math.atan2(left[1, 0], left[0, 0]))
    return Motion(
        angle_deg=math.degrees(math.atan2(rotation[1, 0], rotation[0, 0])),
        scale=math.sqrt(lengths[0] * lengths[1]),
        stretch=float(lengths[0] / lengths[1]),
        stretch_deg=(direction + 90) % 180 - 90,
        right=float(right),
        down=float(down),
        mirrored=mirrored,
    )


def describe_motion(
    transform: NDArray[np.floating], size_px: tuple[int, int], spacing: tuple[float, float] | None
) -> str:
    """Return how the reference moves to lie on the frame, such as "rotate 8 degrees clockwise, move 6 mm left".

    Distances are in millimeters if the spacing is known, otherwise in percent of the fan's width and height.

    Args:
        transform: As for :func:`motion_of`.
        size_px: Rows and columns of the fan's bounding box, pixels of the frame.
        spacing: Distance between neighboring rows, then columns, mm; ``None`` if unknown. Pixels are square then.
    """
    row, column = spacing or (1.0, 1.0)
    size = (size_px[0] * row, size_px[1] * column)
    if abs(np.linalg.det(np.asarray(transform, dtype=float)[:, :2])) < SMALLEST_DETERMINANT:
        return "shrink to a line or a point"
    motion = motion_of(transform, size)
    steps = ["mirror left to right"] if motion.mirrored else []
    if abs(motion.angle_deg) >= SMALLEST_ANGLE_DEG:
        degrees = _whole(motion.angle_deg)
        side = "clockwise" if motion.angle_deg > 0 else "counterclockwise"
        steps.append(f"rotate {degrees} {'degree' if degrees == 1 else 'degrees'} {side}")
    if abs(motion.scale - 1) >= SMALLEST_SHARE:
        steps.append(f"{'enlarge' if motion.scale > 1 else 'shrink'} by {_whole(100 * (motion.scale - 1))} %")
    if motion.stretch - 1 >= SMALLEST_STRETCH:
        steps.append(f"stretch by {_whole(100 * (motion.stretch - 1))} % {_direction(motion.stretch_deg)}")
    distances = [
        _distance(motion.right, ("right", "left"), size[1] if spacing is None else None, "width"),
        _distance(motion.down, ("down", "up"), size[0] if spacing is None else None, "height"),
    ]
    if any(distances):
        steps.append(f"move {' and '.join(filter(None, distances))}")
    return ", ".join(steps) or "stay as it is"


def _direction(angle_deg: float) -> str:
    if abs(angle_deg) <= DIAGONAL_DEG:
        return "horizontally"
    return "vertically" if abs(angle_deg) >= 90 - DIAGONAL_DEG else "diagonally"


def _distance(value: float, sides: tuple[str, str], whole: float | None, name: str) -> str:
    """Return a distance with its side; of a box without known spacing, as a share of its size."""
    side = sides[value < 0]
    if whole is None:
        return f"{_whole(value)} mm {side}" if abs(value) >= SMALLEST_MM else ""
    share = abs(value) / whole
    return f"{_whole(100 * share)} % of the fan's {name} {side}" if share >= SMALLEST_SHARE else ""


def _whole(value: float) -> int:
    """Return the size of a value that is named, as a whole number of at least one."""
    return max(1, round(abs(value)))
