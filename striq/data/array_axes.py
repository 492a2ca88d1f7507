"""Which axes of an array count frames, colors, rows and columns; what cannot be told apart is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import SMALLEST_SIDE
from striq.errors import ReadError

Array = NDArray[Any]
LETTERS = "TCHW"  # frames, colors, rows, columns
NUM_COLORS = (1, 3, 4)  # gray, RGB, RGBA
LAYOUTS = "(H, W), (H, W, 3), (T, H, W), (T, H, W, 3) or (T, 3, H, W)"
STILL_SHARE = 0.02  # of the pixels, by which those that never change must be more along an axis that counts frames
EMPTY = 0.9  # share of rows without any change, from which on a frame is taken for black
REMEDY = "Name its axes, in order, with the letters T (frames), C (colors), H (rows) and W (columns): axes='THW'."


def as_frames(array: Array, where: str | Path, axes: str | None = None) -> Array:
    """Return an array with its axes in the order frames, rows, columns and, if there are any, colors.

    Convention:
        - Without ``axes``, an array has the shape ``(H, W)``, ``(H, W, C)``, ``(T, H, W)``, ``(T, H, W, C)`` or
          ``(T, C, H, W)``, with C = 1 (gray), 3 (RGB) or 4 (RGBA).
        - Three or four images along the first of three axes may be frames or colors: such an array is refused.
        - So is one whose last axis seems to count frames, because more pixels never change along it.

    Args:
        array: Pixels.
        where: Name of the array, for messages.
        axes: Letters of ``TCHW`` in the order of the array's axes, H and W among them.

    Returns:
        Shape ``(T, H, W)`` or ``(T, H, W, C)``.

    Raises:
        ReadError: If the axes are unknown, or do not fit the array.
    """
    letters = _told(array, where) if axes is None else _checked(array, where, axes.upper())
    order = [letter for letter in "THWC" if letter in letters]
    frames = array.transpose([letters.index(letter) for letter in order])
    if "T" not in letters:
        frames = frames[None]
    if min(frames.shape[1:3], default=0) < SMALLEST_SIDE:
        raise ReadError(
            what="The frames are too small to judge",
            where=where,
            expected=f"at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels",
            got=f"shape {array.shape}, read as {_named(letters)}",
            remedy=f"Give the frames at their full size. {REMEDY}",
        )
    if axes is None and letters == "THW" and _looks_time_last(frames):
        raise _ambiguous(array, where, "the last axis seems to count frames")
    return frames


def _checked(array: Array, where: str | Path, letters: str) -> str:
    is_known = set(letters) <= set(LETTERS) and len(set(letters)) == len(letters) and {"H", "W"} <= set(letters)
    colors = array.shape[letters.index("C")] if is_known and len(letters) == array.ndim and "C" in letters else 1
    if not is_known or len(letters) != array.ndim or colors not in NUM_COLORS:
        raise ReadError(
            what="These are not the axes of the array",
            where=where,
            expected="one of the letters T, C, H and W per axis, H and W among them, and 1, 3 or 4 colors",
            got=f"axes {letters!r} for shape {array.shape}",
            remedy="Name the axes in the order in which they are: axes='THW'.",
        )
    return letters


def _told(array: Array, where: str | Path) -> str:
    """Return the axes that the shape of an array tells."""
    shape = array.shape
    if array.ndim == 2:
        return "HW"
    if array.ndim == 3:
        if shape[2] in NUM_COLORS and shape[0] not in NUM_COLORS:
            return "HWC"
        if shape[0] in NUM_COLORS[1:]:
            raise _ambiguous(array, where, f"the first axis may count {shape[0]} frames or {shape[0]} colors")
        return "THW"
    if array.ndim == 4:
        last, second = shape[3] in NUM_COLORS, shape[1] in NUM_COLORS
        if last != second:
            return "THWC" if last else "TCHW"
    raise _ambiguous(array, where, "its shape is none of these")


def _looks_time_last(frames: Array) -> bool:
    """Return whether more pixels never change along the last axis than along the first, as outside a fan."""
    still = np.mean(frames.max(axis=2) == frames.min(axis=2), axis=1)
    shown = still < EMPTY  # black frames, and those with text alone, say nothing
    if shown.sum() < 2:
        return False
    frames = frames[shown]
    return float(still[shown].mean() - np.mean(frames.max(axis=0) == frames.min(axis=0))) > STILL_SHARE


def _ambiguous(array: Array, where: str | Path, why: str) -> ReadError:
    return ReadError(
        what="It cannot be told which axes of the array are which",
        where=where,
        expected=f"an array of shape {LAYOUTS}",
        got=f"shape {array.shape}: {why}",
        remedy=REMEDY,
    )


def _named(letters: str) -> str:
    return f"({', '.join(letters)})"
