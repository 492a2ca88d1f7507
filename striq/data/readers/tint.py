"""Gray scales of one tint, as scanners offer them: sepia, amber, blue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import SMALLEST_SIDE
from striq.data.readers.intensity import LUMA_601

BLOCK = 8  # pixels; the mean of a block has the right color in files that store it for every second pixel
LIT = 0.2  # of the brightest value; the color of darker places is lost in rounding and compression
LEAST_TINT = 0.2  # by which a channel of a tint is darker than its brightest one; screens and cameras change less
MOST_DIFFERENT, MOST_OTHERS = 0.08, 0.1  # of a channel from the tint; share of lit places, such as text in white


def luma_of_white(colors: NDArray[Any]) -> float:
    """Return the luma of the brightest color of a picture in one tint; 1 for any other picture.

    In a picture of one tint, all colors are the same but for their brightness. Its luma is darker than the gray scale
    that was tinted, by this factor.

    Args:
        colors: Picture, shape ``(H, W, C)`` with C = 3 (RGB) or 4 (RGBA), or a palette, shape ``(N, C)``.
    """
    colors = colors[..., :3]
    if colors.ndim == 3:
        if min(colors.shape[:2]) < SMALLEST_SIDE:
            return 1.0
        if _tint_of(_lit(colors[::BLOCK, ::BLOCK].reshape(-1, 3).astype(np.float32))) is None:
            return 1.0  # most files: a few pixels are enough
        colors = _block_means(colors)
    values = _lit(colors.reshape(-1, 3).astype(np.float32))
    tint = _tint_of(values)
    if tint is None:
        return 1.0
    brightest = values.max(axis=1)
    is_of_tint = np.abs(values / brightest[:, None] - tint).max(axis=1) < MOST_DIFFERENT
    if is_of_tint.mean() < 1 - MOST_OTHERS:
        return 1.0
    return float(values[is_of_tint].sum(axis=0) @ LUMA_601 / brightest[is_of_tint].sum())


def untinted(gray: NDArray[np.float32], white: float) -> NDArray[np.float32]:
    """Return gray values whose white is 1 instead of ``white``."""
    return gray if white == 1 else np.minimum(gray / np.float32(white), np.float32(1.0))


def _lit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the colors that are bright enough; none if any is negative or not finite."""
    if not values.size or not 0 <= values.min() <= values.max() < np.inf:
        return values[:0]
    brightest = values.max(axis=1)
    return values[brightest > LIT * brightest.max()]


def _tint_of(values: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the median color with a brightest channel of 1; ``None`` if it is gray."""
    if not len(values):
        return None
    tint = np.median(values / values.max(axis=1, keepdims=True), axis=0)
    return None if tint.min() > 1 - LEAST_TINT else tint


def _block_means(colors: NDArray[Any]) -> NDArray[np.float32]:
    height, width = (side // BLOCK for side in colors.shape[:2])
    blocks = colors[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK, 3)
    return blocks.mean(axis=(1, 3), dtype=np.float32)
