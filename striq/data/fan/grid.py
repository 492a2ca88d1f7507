"""The reduced copy of an image in which the fan is searched, and the level of its background."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]
Cell = TypeVar("Cell", np.float32, np.bool_)

LARGEST_SIDE = 1100  # pixels; of larger images, only every second, third ... pixel is used
LARGEST_GRID = 96  # cells
GRAY_LEVEL = 1 / 255  # the step between stored gray values
BRIGHTEST_BACKGROUND = 64  # of 255; user interfaces are darker
BACKGROUND_SHARE = 0.1  # of the border; a gray value that fewer pixels have is tissue


@dataclass(frozen=True)
class Grid:
    """How much an image differs from its background, per pixel and as the mean of square cells.

    Attributes:
        difference: Absolute difference of every ``stride``-th pixel from the background's level, shape ``(H, W)``.
        cells: Means of blocks of ``size`` x ``size`` of these values, shape ``(h, w)``.
        stride: Pixels of the image per pixel of ``difference``.
        size: Pixels of ``difference`` per cell.
        noise: Typical value of a cell of background.
        spread: Median deviation of such cells from ``noise``.
    """

    difference: Pixels
    cells: Pixels
    stride: int
    size: int
    noise: float
    spread: float

    @property
    def faint(self) -> float:
        """Smallest value of a cell that is no background."""
        return self.noise + min(max(0.5 * GRAY_LEVEL, 9 * self.spread), 3 * GRAY_LEVEL)

    @property
    def clear(self) -> float:
        """Smallest value of a cell that is neither background nor a compression artifact on black."""
        return max(self.faint, self.noise + 2 * GRAY_LEVEL)

    @property
    def clear_pixel(self) -> float:
        """Smallest value of a single pixel that is neither background nor such an artifact."""
        return max(3 * GRAY_LEVEL, 5 * self.noise)

    def part(self, top: int, left: int, bottom: int, right: int) -> Grid:
        """Return the grid of a rectangle of cells; bottom and right are exclusive."""
        size = self.size
        difference = self.difference[top * size : bottom * size, left * size : right * size]
        return replace(self, difference=difference, cells=self.cells[top:bottom, left:right])

    def enlarge(self, cells: NDArray[Cell]) -> NDArray[Cell]:
        """Return values of cells as values of pixels, shape ``(H, W)``."""
        height, width = self.difference.shape
        # In this order: copies of whole rows are faster than copies of single values.
        return np.repeat(np.repeat(cells, self.size, axis=1), self.size, axis=0)[:height, :width]


def make_grid(pixels: Pixels) -> Grid:
    """Return the grid of an image with gray values in [0, 1], shape ``(H, W)``."""
    stride = -(-max(pixels.shape) // LARGEST_SIDE)
    pixels = pixels[::stride, ::stride]
    size = -(-max(pixels.shape) // LARGEST_GRID)
    level = np.float32(background_level(pixels))
    difference = np.abs(pixels - level) if level else pixels
    cells = _block_means(difference, size)
    edge = border(cells)
    dark = edge[edge <= 8 * GRAY_LEVEL]
    noise = float(np.median(dark)) if len(dark) else 0.0
    background = dark[dark <= 2 * noise + GRAY_LEVEL]
    spread = float(np.median(np.abs(background - noise))) if len(background) else 0.0
    return Grid(difference, cells, stride, size, noise, spread)


def border(values: Pixels, width: int = 1) -> Pixels:
    """Return the outermost rows and columns of an array, flattened."""
    sides = values[:width], values[-width:], values[:, :width], values[:, -width:]
    return np.concatenate([side.ravel() for side in sides])


def background_level(pixels: Pixels) -> float:
    """Return the most frequent dark gray value of the border, or black if no value is frequent."""
    grays = np.round(border(pixels, 2) * 255).astype(np.intp).clip(0, 255)
    counts = np.convolve(np.bincount(grays, minlength=256), np.ones(3), "same")  # noise spreads over several values
    most = int(counts[: BRIGHTEST_BACKGROUND + 1].argmax())
    if counts[most] < BACKGROUND_SHARE * len(grays):
        return 0.0
    return float(np.median(grays[np.abs(grays - most) <= 8])) * GRAY_LEVEL


def _block_means(values: Pixels, size: int) -> Pixels:
    if size == 1:
        return values
    height, width = values.shape
    padded = np.pad(values, ((0, -height % size), (0, -width % size)), mode="edge")
    return np.asarray(Image.fromarray(padded).reduce(size))
