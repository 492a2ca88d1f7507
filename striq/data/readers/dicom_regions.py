"""Tissue region and pixel spacing from a DICOM ultrasound header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from striq.data.readers.dicom_values import HeaderValues
from striq.errors import ReadError

Crop = tuple[int, int, int, int]

SPATIAL_2D, TISSUE = 1, 1  # PS3.3 C.8.5.5.1.1 and C.8.5.5.1.2
OTHER_DISPLAYS = {2: "M-mode", 3: "spectral Doppler", 4: "waveforms", 5: "graphics"}  # C.8.5.5.1.1
CENTIMETERS = 3  # PS3.3 C.8.5.5.1.15
MM_PER_CM = 10.0


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
