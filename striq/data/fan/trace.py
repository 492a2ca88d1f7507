"""The ECG that a scanner draws across the fan: a thin line of one gray that goes on beside the fan."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from striq.data.fan.grid import GRAY_LEVEL, Pixels
from striq.data.fan.morphology import Mask, bounding_box, dilate, label_parts

LEAST_LEVEL = 60 * GRAY_LEVEL  # brighter than the background; compression artifacts are fainter
CLEARANCE = 3  # pixels around the fan, where its own edge may be bright
REACH = 6  # pixels beyond that, in which the line is looked for
LEAST_OUTSIDE = 12  # columns of the line on each side of the fan
LEAST_SPAN = 0.15  # of the fan's width, between the first and the last column that the line crosses
LEAST_COVER = 0.6  # of the columns from the first to the last that it crosses; letters leave gaps
LEAST_HEIGHT = 0.045  # of the image's height, that its peaks have; the border of a menu is straight
MOST_HEIGHT = 6  # mean height of the line in a column, thicknesses; the peaks of an ECG are few
TOLERANCE = (0.08, 0.25)  # of the line's level; smoothing and compression change it by less
SPREADS = 4  # median deviations from the level, that the line may have
LINE_SHARE = 0.3  # of the line's level, by which it is brighter than what is beside it
GAP = 2  # pixels at each end of a gap that compression tears into the line
HALO = 2  # pixels beside the line that smoothing and compression brighten
ARTIFACT_REACH = 10  # pixels around the line that a JPEG's blocks of 8 pixels can disturb
ARTIFACT, ARTIFACT_SIDE = 20 * GRAY_LEVEL, 3  # brightest artifact; pixels of a square without anything brighter


def without_trace(pixels: Pixels, fan: Mask) -> Pixels:
    """Return an image without the ECG that crosses its fan; the image itself if none is found.

    The line gets the gray values of the nearest pixels beside it. Compression artifacts around it get the level of the
    background. Only a line that is seen on both sides of the fan is followed into it.

    Args:
        pixels: Gray image in [0, 1], shape ``(H, W)``.
        fan: Mask of the fan, shape ``(H, W)``; it may include what the line ties to the fan.
    """
    place = _around(fan, CLEARANCE + REACH)
    part, least = pixels[place], LEAST_SPAN * np.count_nonzero(fan.any(axis=0))
    if _span((part > LEAST_LEVEL) & ~fan[place]) < least:
        return pixels
    within = dilate(fan[place], CLEARANCE)
    ring = dilate(within, REACH) & ~within
    level = float(np.median(part[ring])) if ring.any() else 1.0
    lit = ring & (part > level + LEAST_LEVEL)
    if _span(lit) < least or _span(lit := _crossing(lit, within, ring)) < least:
        return pixels
    inside, near = np.zeros_like(fan), np.zeros_like(fan)
    inside[place], near[place] = within, lit
    trace = _find(pixels - np.float32(level), fan, inside, near)
    return pixels if trace is None else _fill(pixels, trace, level)


def _around(mask: Mask, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a mask and a margin around them, as far as the image has them."""
    top, left, bottom, right = bounding_box(mask)
    return slice(max(0, top - margin), bottom + margin), slice(max(0, left - margin), right + margin)


def _span(mask: Mask) -> int:
    """Return the number of columns from the first to the last pixel of a mask."""
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[-1] - columns[0]) + 1 if len(columns) else 0


def _crossing(lit: Mask, within: Mask, ring: Mask) -> Mask:
    """Return what is lit in a ring around the fan and crosses it, as nothing that lies along the edge does."""
    lit = dilate(lit, 1) & ring
    labels, sizes = label_parts(lit)
    crosses = np.ones(len(sizes), dtype=bool)
    for edge in (dilate(within, 1), ~dilate(within, REACH - 1)):
        touches = np.zeros(len(sizes), dtype=bool)
        touches[labels[lit & edge]] = True
        crosses &= touches
    return crosses[labels] & lit


def _find(pixels: Pixels, fan: Mask, inside: Mask, near: Mask) -> Mask | None:
    """Return the trace, as far as it is brighter than what is beside it; ``None`` if there is none.

    Args:
        pixels: Gray image above the background, shape ``(H, W)``.
        fan: Mask of the fan, shape ``(H, W)``.
        inside: Fan and its edge, shape ``(H, W)``.
        near: Where a trace must be seen, shape ``(H, W)``.
    """
    thickness = max(3, round(min(pixels.shape) / 160))
    square = 2 * thickness + 1, 2 * thickness + 1
    rise = pixels - np.asarray(ndimage.grey_opening(pixels, square), dtype=np.float32)
    seen = (rise > LINE_SHARE * LEAST_LEVEL) & (pixels > LEAST_LEVEL) & ~inside
    labels, _ = label_parts(dilate(seen, 1))
    trace: Mask = np.zeros_like(fan)
    for label in np.unique(labels[near & seen]):
        seed = seen & (labels == label)
        if not trace[seed].all():
            trace |= _follow(seed, pixels, rise)
    return trace if _is_trace(trace, fan, inside, thickness) else None


def _follow(seed: Mask, pixels: Pixels, rise: Pixels) -> Mask:
    """Return the line of which a part is seen beside the fan."""
    level = float(np.median(pixels[seed]))
    spread = SPREADS * float(np.median(np.abs(pixels[seed] - level)))
    tolerance = min(max(spread, TOLERANCE[0] * level), TOLERANCE[1] * level)
    alike = ((np.abs(pixels - level) < tolerance) & (rise > LINE_SHARE * level)) | seed
    labels, sizes = label_parts(dilate(alike, GAP))
    followed = np.zeros(len(sizes), dtype=bool)
    followed[labels[seed]] = True
    return followed[labels] & alike


def _is_trace(trace: Mask, fan: Mask, inside: Mask, thickness: int) -> bool:
    columns: Mask = np.asarray(trace.any(axis=0), dtype=np.bool_)
    crossed = np.flatnonzero((trace & fan).any(axis=0))
    if not len(crossed) or np.ptp(crossed) < LEAST_SPAN * np.count_nonzero(fan.any(axis=0)):
        return False
    if float(np.mean(columns[int(crossed[0]) : int(crossed[-1])])) < LEAST_COVER:
        return False
    if np.ptp(np.flatnonzero(trace.any(axis=1))) < LEAST_HEIGHT * len(trace):
        return False
    outside = np.flatnonzero((trace & ~inside).any(axis=0))
    num_left = np.count_nonzero(outside < np.median(crossed))
    if min(num_left, len(outside) - num_left) < LEAST_OUTSIDE:
        return False
    return bool(trace.sum() < MOST_HEIGHT * thickness * columns.sum())


def _fill(pixels: Pixels, trace: Mask, level: float) -> Pixels:
    place = _around(trace, ARTIFACT_REACH + HALO)
    line, filled = dilate(trace[place], HALO), pixels.copy()
    nearest = np.asarray(ndimage.distance_transform_edt(line, return_distances=False, return_indices=True))
    part = filled[place][tuple(nearest)]
    brightest = ndimage.maximum_filter(part, ARTIFACT_SIDE)
    part[dilate(line, ARTIFACT_REACH) & (brightest < level + ARTIFACT)] = level
    filled[place] = part
    return filled
