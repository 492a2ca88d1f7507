"""Hints while scanning: how the picture must move to lie like the reference, and a sound when a frame is accepted."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray
from slicer.i18n import tr as _

from .Judgement import ACCEPTED
from .LiveScoring import LiveVerdict
from .TransformWords import square
from .Verdict import NO_PLANE

# Smaller motions change from image to image and are not worth a hint.
SMALLEST_DEGREES, SMALLEST_MM, SMALLEST_PERCENT, SMALLEST_SIZE_PERCENT = 2.0, 2.0, 2.0, 5.0
SPAN_SECONDS = 0.6  # time over which transforms are averaged, so that a hint can be read
QUIET_SECONDS = 1.0  # shortest time between two sounds


class HintWords:
    """Makes a hint of the latest transforms, so that one odd image does not change it."""

    def __init__(self) -> None:
        self._latest: deque[tuple[float, str, NDArray[np.float64]]] = deque()

    def reset(self) -> None:
        """Forget all images."""
        self._latest.clear()

    def of(self, live: LiveVerdict) -> str:
        """Return the hint after one more image; empty where it has no score or shows no known plane."""
        if live.transform is None or live.crop is None or live.plane == NO_PLANE:
            self.reset()
            return ""
        if self._latest and self._latest[-1][1] != live.plane:
            self.reset()
        self._latest.append((live.imageTime, live.plane, np.reshape(np.asarray(live.transform, np.float64), (2, 3))))
        while self._latest[0][0] < live.imageTime - SPAN_SECONDS:
            self._latest.popleft()
        transform = np.median([transform for _time, _plane, transform in self._latest], axis=0)
        return hintOf(transform, live.crop, live.spacingMm)


def hintOf(transform: ArrayLike, crop: list[int], spacingMm: tuple[float, float] | None) -> str:
    """Return how the picture must move on the screen to lie like the reference.

    For example ``"rotate 8° clockwise, move 6 mm left"``.

    Args:
        transform: Pull-back from frame to reference, 2x3, in coordinates of the crop.
        crop: ``(top, left, bottom, right)`` in pixels.
        spacingMm: Distance between rows, then columns; without it, distances are in percent of the fan.
    """
    from striq.registration.motion import motion_of

    rowMm, columnMm = spacingMm or (1.0, 1.0)
    top, left, bottom, right = crop
    height, width = (bottom - top) * rowMm, (right - left) * columnMm
    try:
        # The pull-back of the motion that takes the frame to the reference is the inverse of the frame's own.
        motion = motion_of(np.linalg.inv(square(transform))[:2], (height, width))
    except (ValueError, np.linalg.LinAlgError):
        return ""
    if motion.mirrored:
        return _("mirrored left to right")
    parts = [_rotation(motion.angle_deg)]
    distances = [
        _distance(motion.right, (_("right"), _("left")), None if spacingMm else width, _("width")),
        _distance(motion.down, (_("down"), _("up")), None if spacingMm else height, _("height")),
    ]
    if any(distances):
        parts.append(_("move {distances}").format(distances=_(" and ").join(filter(None, distances))))
    parts.append(_size(100 * (motion.scale - 1)))
    return ", ".join(filter(None, parts)) or _("lies like the reference")


def _rotation(degrees: float) -> str:
    if abs(degrees) < SMALLEST_DEGREES:
        return ""
    text = _("rotate {degrees:.0f}° clockwise") if degrees > 0 else _("rotate {degrees:.0f}° counterclockwise")
    return text.format(degrees=abs(degrees))


def _distance(value: float, sides: tuple[str, str], whole: float | None, name: str) -> str:
    """Return a distance with its side; as a share of the fan where the spacing is unknown."""
    side = sides[value < 0]
    if whole is None:
        return _("{mm:.0f} mm {side}").format(mm=abs(value), side=side) if abs(value) >= SMALLEST_MM else ""
    percent = 100 * abs(value) / whole
    if percent < SMALLEST_PERCENT:
        return ""
    return _("{percent:.0f} % of the {name} {side}").format(percent=percent, name=name, side=side)


def _size(percent: float) -> str:
    if abs(percent) < SMALLEST_SIZE_PERCENT:
        return ""
    text = _("enlarge by {percent:.0f} %") if percent > 0 else _("shrink by {percent:.0f} %")
    return text.format(percent=abs(percent))


class SoundCue:
    """Decides when to sound: once when the verdict turns to accepted, and not again at once."""

    def __init__(self) -> None:
        self._wasAccepted, self._last = False, -QUIET_SECONDS

    def isDue(self, live: LiveVerdict) -> bool:
        """Return whether this verdict is to be heard."""
        isAccepted = live.verdict == ACCEPTED
        isDue = isAccepted and not self._wasAccepted and live.imageTime - self._last >= QUIET_SECONDS
        self._wasAccepted = isAccepted
        if isDue:
            self._last = live.imageTime
        return isDue
