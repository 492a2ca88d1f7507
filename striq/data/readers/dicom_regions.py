"""Tissue region, pixel spacing and frame times from a DICOM ultrasound header."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate

from pydicom.dataset import Dataset

Crop = tuple[int, int, int, int]

SPATIAL_2D, TISSUE = 1, 1  # PS3.3 C.8.5.5.1.1 and C.8.5.5.1.2
CENTIMETERS = 3  # PS3.3 C.8.5.5.1.15
MM_PER_CM = 10.0


def tissue_region(header: Dataset) -> Dataset | None:
    """Return the largest two-dimensional tissue region, the first of several equal ones; ``None`` if there is none.

    Regions that reach outside the image are ignored. Their coordinates refer to another resolution, as in files that
    were scaled down without adapting the regions.
    """
    regions = [
        region
        for region in header.get("SequenceOfUltrasoundRegions") or ()
        if region.get("RegionSpatialFormat") == SPATIAL_2D
        and region.get("RegionDataType") == TISSUE
        and _lies_in_image(region, header)
    ]
    return max(regions, key=_area, default=None)


def region_crop(region: Dataset, header: Dataset) -> Crop:
    """Return ``(top, left, bottom, right)`` of a region; in DICOM, the last column and row are inclusive."""
    left, top, right, bottom = _corners(region)
    return top, left, min(bottom + 1, int(header.Rows)), min(right + 1, int(header.Columns))


def spacing_mm(header: Dataset, region: Dataset | None) -> tuple[float, float] | None:
    """Return the distance between rows, then columns, from the region if it is in centimeters, or PixelSpacing."""
    if region is not None and all(region.get(f"PhysicalUnits{axis}Direction") == CENTIMETERS for axis in "XY"):
        # A negative delta means that the physical axis points against the pixel axis.
        steps = _finite(abs(float(region.get(f"PhysicalDelta{axis}") or 0)) * MM_PER_CM for axis in "YX")
    else:
        steps = _finite(header.get("PixelSpacing") or ())
    return (steps[0], steps[1]) if len(steps) == 2 and min(steps) > 0 else None


def frame_times_s(header: Dataset, num_frames: int) -> list[float] | None:
    """Return the time of every frame relative to the first, or ``None`` if the header does not state it."""
    increments_ms = _finite(header.get("FrameTimeVector") or ())
    if (frame_time_ms := _frame_time_ms(header)) is not None:
        increments_ms = [frame_time_ms] * num_frames
    if len(increments_ms) != num_frames:
        return None
    return [time_ms / 1000.0 for time_ms in accumulate(increments_ms[1:], initial=0.0)]


def _frame_time_ms(header: Dataset) -> float | None:
    if header.get("FrameTime"):
        return float(header.FrameTime)
    if header.get("FrameTimeVector"):
        return None
    rate = header.get("CineRate") or header.get("RecommendedDisplayFrameRate")
    return 1000.0 / float(rate) if rate else None


def _lies_in_image(region: Dataset, header: Dataset) -> bool:
    left, top, right, bottom = _corners(region)
    # One pixel of tolerance: some writers use exclusive instead of inclusive ends.
    inside = right <= int(header.Columns) and bottom <= int(header.Rows)
    return inside and 0 <= left < right and 0 <= top < bottom


def _corners(region: Dataset) -> tuple[int, int, int, int]:
    names = ("MinX0", "MinY0", "MaxX1", "MaxY1")
    left, top, right, bottom = (int(region.get(f"RegionLocation{name}", -1)) for name in names)
    return left, top, right, bottom


def _area(region: Dataset) -> int:
    left, top, right, bottom = _corners(region)
    return (right - left) * (bottom - top)


def _finite(values: Iterable[object] | object) -> list[float]:
    numbers = [float(value) for value in (values if isinstance(values, Iterable) else (values,))]  # type: ignore[arg-type]
    return numbers if all(math.isfinite(number) for number in numbers) else []
