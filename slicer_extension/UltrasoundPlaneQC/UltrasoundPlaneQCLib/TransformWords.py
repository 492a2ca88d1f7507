"""A transform in words: how the frame lies relative to its nearest reference frame."""

from __future__ import annotations

import math

import numpy as np
from slicer.i18n import tr as _

# Smaller differences than these cannot be seen and are not worth a word.
SMALLEST_DEGREES, SMALLEST_MM, SMALLEST_PERCENT = 1.0, 1.0, 2.0


def boxMatrix(box, spacing=(1.0, 1.0)):
    """Return the 3x3 matrix from coordinates in [-1, 1] of a box to pixels times spacing.

    Args:
        box: ``(top, left, bottom, right)`` in pixels, bottom and right exclusive; ±1 are its edges.
        spacing: Distance between rows, then columns.
    """
    top, left, bottom, right = box
    rowStep, columnStep = spacing
    return np.array(
        [
            [(right - left) / 2 * columnStep, 0.0, ((left + right) / 2 - 0.5) * columnStep],
            [0.0, (bottom - top) / 2 * rowStep, ((top + bottom) / 2 - 0.5) * rowStep],
            [0.0, 0.0, 1.0],
        ]
    )


def square(transform):
    """Return a 2x3 transform as a 3x3 matrix."""
    return np.vstack([np.asarray(transform, dtype=float).reshape(2, 3), [0.0, 0.0, 1.0]])


def describeTransform(transform, box, spacingMm=None):
    """Return how the frame lies relative to its reference, such as ``"rotated 8° clockwise, shifted 6 mm left"``.

    Args:
        transform: Pull-back from frame to reference, 2x3, in coordinates of the box.
        box: ``(top, left, bottom, right)`` in pixels.
        spacingMm: Distance between rows, then columns; pixels are named without it.
    """
    place = boxMatrix(box, spacingMm or (1.0, 1.0))
    forward = place @ np.linalg.inv(square(transform)) @ np.linalg.inv(place)
    linear = forward[:2, :2]
    center = place @ np.array([0.0, 0.0, 1.0])
    shift = (forward @ center - center)[:2]
    parts = [_rotation(linear), _shift(shift, _("mm") if spacingMm else _("pixels")), _size(linear)]
    said = [part for part in parts if part]
    return ", ".join(said) if said else _("lies like the reference")


def _rotation(linear):
    # Rows run down, so a turn from x towards y is clockwise for the viewer.
    degrees = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    if abs(degrees) < SMALLEST_DEGREES:
        return ""
    said = _("rotated {degrees:.0f}° clockwise") if degrees > 0 else _("rotated {degrees:.0f}° counterclockwise")
    return said.format(degrees=abs(degrees))


def _shift(shift, unit):
    names = ((_("right"), _("left")), (_("down"), _("up")))
    said = [
        f"{abs(amount):.0f} {unit} {positive if amount > 0 else negative}"
        for amount, (positive, negative) in zip(shift, names, strict=True)
        if abs(amount) >= SMALLEST_MM
    ]
    return _("shifted {distances}").format(distances=_(" and ").join(said)) if said else ""


def _size(linear):
    percent = (math.sqrt(abs(np.linalg.det(linear))) - 1) * 100
    if abs(percent) < SMALLEST_PERCENT:
        return ""
    return (_("{percent:.0f} % larger") if percent > 0 else _("{percent:.0f} % smaller")).format(percent=abs(percent))
