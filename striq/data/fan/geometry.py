"""The fan of a cine, found on its first frame and kept for the frames that show the same geometry.

Found on every frame by itself, a fan differs from frame to frame where its edges are dark, and the score changes with
it: by half of the change from frame to frame on a real cine (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.fan.detection import fan_mask
from striq.data.fan.grid import Grid, Pixels, make_grid
from striq.data.fan.morphology import Mask, dilate, erode, row_ends
from striq.errors import ReadError

DIRECTIONS = 16
LARGEST_MOVE = 0.05  # of the fan's extent in cells, by which its lit part may end elsewhere in any direction
NEAR = 1  # cells around the fan and around what was lit beside it, which may be lit as well
SMALLEST_SHARE = 0.6  # of the lit cells, that stay lit


class CineFan:
    """Finds the fan of the frames of one cine.

    Convention:
        - The fan of the first frame is the fan of every frame that shows the same geometry. Others, as after a change
          of depth or zoom, have the fan that is found on themselves. So the fan of a frame depends on this frame and
          on the first one, and not on which frames were seen before.

    Args:
        read_first: Reads the pixels of the first frame.
    """

    def __init__(self, read_first: Callable[[], Pixels]) -> None:
        self._read_first: Callable[[], Pixels] | None = read_first
        self._first: Pixels | None = None  # kept only until the fan is found
        self._reference: Reference | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the reader, which may hold an open file."""
        return {"_read_first": None, "_first": None, "_reference": self._find_reference()}

    def offer_first(self, pixels: Pixels) -> None:
        """Keep the pixels of the first frame, which has been read, so that it need not be read again."""
        if self._read_first is not None:
            self._first = pixels

    def mask(self, pixels: Pixels) -> Mask:
        """Return the fan of a frame of the cine, shape ``(H, W)``."""
        reference = self._find_reference()
        if reference is not None and reference.fits(pixels):
            return reference.mask
        return fan_mask(pixels)

    def _find_reference(self) -> Reference | None:
        if self._read_first is not None:
            try:
                first = self._read_first() if self._first is None else self._first
                self._reference = Reference.of(first)
            except ReadError:  # a first frame that cannot be read says nothing of the others
                self._reference = None
            self._read_first = self._first = None
        return self._reference


@dataclass(frozen=True)
class KnownFan:
    """The fan of one frame that has been found already.

    Attributes:
        pixels: Those of the frame.
        found: The fan, shape ``(H, W)``.
    """

    pixels: Pixels
    found: Mask

    @classmethod
    def of(cls, pixels: Pixels) -> KnownFan:
        """Find the fan of a frame."""
        return cls(pixels, fan_mask(pixels))

    def mask(self, pixels: Pixels) -> Mask:
        """Return the fan; that of other pixels is found on themselves."""
        return self.found if pixels is self.pixels else fan_mask(pixels)


@dataclass(frozen=True)
class Reference:
    """A fan, and what its frame shows of it.

    Attributes:
        mask: The fan, shape ``(H, W)``.
        allowed: Cells of the grid that frames of the same geometry may light up.
        inside: Cells of the fan.
        extent: How far the lit cells reach in each direction, cells.
        num_lit: Number of cells of the fan that are lit.
        slack: Cells by which that may change.
    """

    mask: Mask
    allowed: Mask
    inside: Mask
    extent: NDArray[np.float64]
    num_lit: int
    slack: float

    @classmethod
    def of(cls, pixels: Pixels) -> Reference | None:
        """Return the reference of a frame; ``None`` if the whole frame is its fan or if nothing is lit."""
        mask = fan_mask(pixels)
        if mask.all():
            return None
        grid = make_grid(pixels)
        scale, shape = grid.stride * grid.size, grid.cells.shape
        centers = np.ix_(
            *((np.arange(n) * scale + scale // 2).clip(0, m - 1) for n, m in zip(shape, mask.shape, strict=True))
        )
        inside, lit = mask[centers], _lit(grid)
        extent = _extent(lit & inside)
        if extent is None:
            return None
        slack = max(2.0, LARGEST_MOVE * float((extent[: DIRECTIONS // 2] + extent[DIRECTIONS // 2 :]).max()))
        return cls(mask, dilate(inside | lit, NEAR), inside, extent, int((lit & inside).sum()), slack)

    def fits(self, pixels: Pixels) -> bool:
        """Return whether a frame shows the same geometry."""
        if pixels.shape != self.mask.shape:
            return False
        lit = _lit(make_grid(pixels))
        if erode(np.pad(lit & ~self.allowed, 1), 1).any():
            return False
        within = lit & self.inside
        extent = _extent(within)
        if extent is None or not SMALLEST_SHARE <= within.sum() / self.num_lit <= 1 / SMALLEST_SHARE:
            return False
        return bool((self.extent - extent <= self.slack).all())


def _lit(grid: Grid) -> Mask:
    return grid.cells > grid.clear


def _extent(lit: Mask) -> NDArray[np.float64] | None:
    """Return how far the lit cells reach in each of the directions, without single ones; ``None`` if none are lit."""
    solid = erode(np.pad(lit, 1), 1)
    if not solid.any():
        return None
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    return (row_ends(solid) @ np.stack([np.cos(angles), np.sin(angles)])).max(axis=0)
