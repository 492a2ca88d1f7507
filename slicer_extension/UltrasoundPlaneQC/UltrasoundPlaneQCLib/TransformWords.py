"""A transform in words: how the frame lies relative to its nearest reference frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from slicer.i18n import tr as _

# Smaller differences are not visible and not worth mentioning.
SMALLEST_DEGREES, SMALLEST_MM, SMALLEST_PERCENT = 1.0, 1.0, 2.0


def cropMatrix(crop: Sequence[int], spacing: tuple[float, float] = (1.0, 1.0)) -> NDArray[np.float64]:
    """Return the 3x3 matrix from coordinates in [-1, 1] of a crop to pixels times spacing.

    Args:
        crop: ``(top, left, bottom, right)`` in pixels, bottom and right exclusive; ±1 are its edges.
        spacing: Distance between rows, then columns.
    """
    top, left, bottom, right = crop
    rowStep, columnStep = spacing
    return np.array(
        [
            [(right - left) / 2 * columnStep, 0.0, ((left + right) / 2 - 0.5) * columnStep],
            [0.0, (bottom - top) / 2 * rowStep, ((top + bottom) / 2 - 0.5) * rowStep],
            [0.0, 0.0, 1.0],
        ]
    )


def square(transform: ArrayLike) -> NDArray[np.float64]:
    """Return a 2x3 transform as a 3x3 matrix."""
    return np.vstack([np.reshape(np.asarray(transform, dtype=np.float64), (2, 3)), [0.0, 0.0, 1.0]])


def describeTransform(transform: ArrayLike, crop: Sequence[int], spacingMm: tuple[float, float] | None = None) -> str:
    """Return how the frame lies relative to its reference, such as ``"rotated 8° clockwise, shifted 6 mm left"``.

    Args:
        transform: Pull-back from frame to reference, 2x3, in coordinates of the crop.
        crop: ``(top, left, bottom, right)`` in pixels.
        spacingMm: Distance between rows, then columns; without it, shifts are in pixels.
    """
    place = cropMatrix(crop, spacingMm or (1.0, 1.0))
    forward = place @ np.linalg.inv(square(transform)) @ np.linalg.inv(place)
    linear = forward[:2, :2]
    center = place @ np.array([0.0, 0.0, 1.0])
    shift = (forward @ center - center)[:2]
    parts = [_rotation(linear), _shift(shift, _("mm") if spacingMm else _("pixels")), _size(linear)]
    return ", ".join(part for part in parts if part) or _("lies like the reference")


def _rotation(linear: NDArray[np.float64]) -> str:
    # Rows run down, so a turn from x towards y is clockwise for the viewer.
    degrees = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    if abs(degrees) < SMALLEST_DEGREES:
        return ""
    text = _("rotated {degrees:.0f}° clockwise") if degrees > 0 else _("rotated {degrees:.0f}° counterclockwise")
    return text.format(degrees=abs(degrees))


def _shift(shift: NDArray[np.float64], unit: str) -> str:
    directions = ((_("right"), _("left")), (_("down"), _("up")))
    distances = [
        f"{abs(amount):.0f} {unit} {positive if amount > 0 else negative}"
        for amount, (positive, negative) in zip(shift, directions, strict=True)
        if abs(amount) >= SMALLEST_MM
    ]
    return _("shifted {distances}").format(distances=_(" and ").join(distances)) if distances else ""


def _size(linear: NDArray[np.float64]) -> str:
    percent = (math.sqrt(abs(np.linalg.det(linear))) - 1) * 100
    if abs(percent) < SMALLEST_PERCENT:
        return ""
    return (_("{percent:.0f} % larger") if percent > 0 else _("{percent:.0f} % smaller")).format(percent=abs(percent))
