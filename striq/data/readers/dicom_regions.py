"""Tissue region and pixel spacing from a DICOM ultrasound header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.data.fan import bounding_box, fan_mask
from striq.data.readers.dicom_values import HeaderValues
from striq.errors import ReadError

Crop = tuple[int, int, int, int]

SPATIAL_2D, TISSUE = 1, 1  # PS3.3 C.8.5.5.1.1 and C.8.5.5.1.2
OTHER_DISPLAYS = {2: "M-mode", 3: "spectral Doppler", 4: "waveforms", 5: "graphics"}  # C.8.5.5.1.1
CENTIMETERS = 3  # PS3.3 C.8.5.5.1.15
MM_PER_CM = 10.0
LEAST_ENLARGEMENT = 1.5  # of an image whose regions were not adapted
CUT = 0.8  # share of the fan inside a region that cuts it; less is inside
BESIDE = 0.02  # share inside a region beside it
DARK = 0.1  # of the fan's mean; a region beside the fan that is as dark shows no other picture
TOLERANCE = 0.02  # of the image's sides


@dataclass(frozen=True)
class Region:
    """A region of the image.

    Attributes:
        crop: Top, left, bottom and right in pixels; bottom and right are exclusive.
        spacing_mm: Distance between rows, then columns, if the region states it in centimeters.
    """

    crop: Crop
    spacing_mm: tuple[float, float] | None

    @property
    def area(self) -> int:
        """Number of pixels."""
        top, left, bottom, right = self.crop
        return (bottom - top) * (right - left)

    def may_be_of_smaller_image(self, rows: int, columns: int) -> bool:
        """Return whether the region is so small that it may refer to an image of fewer rows and columns."""
        return LEAST_ENLARGEMENT * self.crop[2] <= rows and LEAST_ENLARGEMENT * self.crop[3] <= columns

    def is_of_smaller_image(self, pixels: NDArray[np.float32]) -> bool:
        """Return whether the region cuts the fan of an image, but holds it if both its corners are enlarged alike.

        Args:
            pixels: Whole image, shape ``(H, W)``.
        """
        mask = fan_mask(pixels)
        top, left, bottom, right = self.crop
        inside = mask[top:bottom, left:right].sum() / mask.sum()
        shows_another = inside < BESIDE and pixels[top:bottom, left:right].mean() > DARK * pixels[mask].mean()
        if mask.all() or inside > CUT or shows_another:
            return False
        down, across = (TOLERANCE * side for side in mask.shape)
        fan_top, fan_left, fan_bottom, fan_right = bounding_box(mask)
        least = max((fan_bottom - down) / bottom, (fan_right - across) / right, LEAST_ENLARGEMENT)
        to_edges = (mask.shape[0] + down) / bottom, (mask.shape[1] + across) / right
        return least <= min((fan_top + down) / max(top, 1), (fan_left + across) / max(left, 1), *to_edges)


def tissue_region(header: HeaderValues, rows: int, columns: int) -> Region | None:
    """Return the largest two-dimensional tissue region, the first of several equal ones; ``None`` if there is none.

    Regions that lack a corner or reach outside the image are ignored. Those outside refer to another resolution, as in
    files that were scaled down without adapting the regions.

    Args:
        header: Header of the file.
        rows: Rows of the image.
        columns: Columns of the image.
    """
    regions = [
        Region(crop, _region_spacing(item))
        for item in header.items("SequenceOfUltrasoundRegions")
        if item.integer("RegionSpatialFormat") == SPATIAL_2D
        and item.integer("RegionDataType") == TISSUE
        and (crop := _crop(item, rows, columns)) is not None
    ]
    return max(regions, key=lambda region: region.area, default=None)


def refuse_other_displays(header: HeaderValues, path: Path) -> None:
    """Raise ``ReadError`` if the regions say that the picture shows curves or M-mode, and no two-dimensional image.

    Args:
        header: Header of the file.
        path: File, for the message.
    """
    formats = [item.integer("RegionSpatialFormat") for item in header.items("SequenceOfUltrasoundRegions")]
    others = [name for number, name in OTHER_DISPLAYS.items() if number in formats]
    if others and SPATIAL_2D not in formats:
        raise ReadError(
            what="The picture shows no two-dimensional image",
            where=path,
            expected="a region of spatial format 1 (2D)",
            got=f"regions of {' and '.join(others)} alone",
            remedy="Choose the B-mode images of the study.",
        )


def spacing_mm(header: HeaderValues, region: Region | None) -> tuple[float, float] | None:
    """Return the distance between rows, then columns, from the region if it is in centimeters, or PixelSpacing."""
    if region is not None and region.spacing_mm is not None:
        return region.spacing_mm
    return _pair(header.numbers("PixelSpacing"))


def _region_spacing(item: HeaderValues) -> tuple[float, float] | None:
    if any(item.integer(f"PhysicalUnits{axis}Direction") != CENTIMETERS for axis in "XY"):
        return None
    # A negative delta means that the physical axis points against the pixel axis.
    return _pair([abs(item.number(f"PhysicalDelta{axis}") or 0.0) * MM_PER_CM for axis in "YX"])


def _pair(steps: list[float]) -> tuple[float, float] | None:
    return (steps[0], steps[1]) if len(steps) == 2 and min(steps) > 0 else None


def _crop(item: HeaderValues, rows: int, columns: int) -> Crop | None:
    names = ("MinY0", "MinX0", "MaxY1", "MaxX1")
    top, left, bottom, right = (item.integer(f"RegionLocation{name}") for name in names)
    if top is None or left is None or bottom is None or right is None:
        return None
    (left, right), (top, bottom) = sorted((left, right)), sorted((top, bottom))  # some writers exchange the corners
    # One pixel of tolerance: some writers use exclusive instead of inclusive ends.
    if not (0 <= left < right <= columns and 0 <= top < bottom <= rows):
        return None
    return top, left, min(bottom + 1, rows), min(right + 1, columns)
