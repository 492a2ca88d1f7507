"""Banners of one gray along a whole side of an image."""

from __future__ import annotations

import numpy as np

from striq.data.fan.grid import GRAY_LEVEL, Pixels, background_level

DEEPEST = 0.3  # of the image's side
THINNEST, SMALLEST = 4, 0.02  # pixels, and of the image's side
EVEN = 4 * GRAY_LEVEL  # pixels of a banner differ by less from its gray
PLAIN, WRITTEN = 0.85, 0.5  # of a row that has the gray of the banner: without text, with text
LEAST_DIFFERENCE = 12 * GRAY_LEVEL  # of its gray from the background
BRIGHTEST = 250 * GRAY_LEVEL  # white may be saturated tissue
BEVEL = 3  # rows at the image's edge that may have another gray
SHADE = 8 * GRAY_LEVEL  # most that the gray changes from row to row where there is text
EVERY = 4  # pixels of a row of which one is looked at


def without_banners(pixels: Pixels) -> Pixels:
    """Return an image whose banners have the gray of the background.

    Args:
        pixels: Gray image in [0, 1], shape ``(H, W)``.
    """
    return _without_rows(_without_rows(pixels).T).T


def _without_rows(pixels: Pixels) -> Pixels:
    """Return an image without the banners at its top and bottom."""
    sides = np.concatenate([pixels[:, :2], pixels[:, -2:]], axis=1)
    level = background_level(sides)  # of the sides, as banners hide the rest of the border
    top, bottom = _depth(pixels, level), len(pixels) - _depth(pixels[::-1], level)
    if bottom - top == len(pixels):
        return pixels
    plain = pixels.copy()
    plain[:top] = plain[bottom:] = level
    return plain


def _depth(pixels: Pixels, level: float) -> int:
    """Return the number of the first rows that are a banner on a background of a gray level."""
    depth, gray = 0, -1.0
    for number, row in enumerate(pixels[: int(DEEPEST * len(pixels)), ::EVERY]):
        median = float(np.median(row))
        share = np.mean(np.abs(row - median) < EVEN)
        if share > PLAIN and abs(median - level) > LEAST_DIFFERENCE and median < BRIGHTEST:
            depth, gray = number + 1, median
        elif share > WRITTEN and abs(median - gray) < SHADE:
            gray = median
        elif number >= BEVEL:
            break
    else:
        return 0  # too deep for a banner
    return depth if depth >= max(THINNEST, SMALLEST * len(pixels)) else 0
