"""Which cells of the grid belong to the fan: bright ones, without banners, text, rulers and other pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from striq.data.fan.grid import GRAY_LEVEL, Grid, Pixels
from striq.data.fan.morphology import (
    Mask,
    dilate,
    edges_reached,
    erode,
    fill_holes,
    hull_mask,
    label_parts,
    row_ends,
    without_thin_parts,
)

ARTIFACT_REACH = 10  # pixels around bright ones that a JPEG's blocks of 8 pixels can disturb
EDGE_SHARE = 0.3  # of the brightness beside it; a darker cell at the edge is mostly background
BANNER_SPAN, BANNER_DEPTH = 0.85, 0.35  # of the image's sides
NECK = 0.06  # of the square root of the area: half the width of a neck at which pictures are separated
SMALLEST_CORE = 0.01  # of the largest one; a smaller core is a bump at the edge
SMALLEST_PART = 0.02  # of the largest one; a smaller part is text
LARGEST_GAIN = 0.08  # of the area, that the hull of two parts may add beside them
LEAST_SHARED = 0.5  # of the narrower part's columns, for parts behind one another
CUT_GAIN, CUT_SHARED = 0.35, 0.3  # the same two for parts of a fan that the image's edges cut off
CUT_WIDTH = 0.25  # of the fan's width; a narrower part at the edge may be text or a small picture
LINE_SPAN = 0.3  # of the fan's width or height, that a line along a whole side spans
BUMP = 7  # cells; what ties such a line to the fan is narrower
SOLID = 0.75, 0.6  # of their hulls: parts that fill less are tissue around dark parts, not two pictures


@dataclass(frozen=True)
class Cells:
    """Which cells of a grid show what.

    Attributes:
        fan: Cells of the fan.
        other: Bright cells of something else.
        lit: All cells that are no background, thin lines as well.
        loose: Those of the others that do not touch the fan; they may be bright spots in a dark part of it.
    """

    fan: Mask
    other: Mask
    lit: Mask
    loose: Mask


def find_cells(grid: Grid) -> Cells | None:
    """Return which cells show the fan and which something else; ``None`` if nothing is bright.

    Parts that lie behind one another in depth, separated by an anechoic band, are joined by their hull. Of pictures
    side by side, the largest is the fan.
    """
    solid, bright = _bright_cells(grid)
    dense = solid & ~_banners(solid, grid.cells)
    labels, sizes = label_parts(dense)
    if not sizes.any():
        return None
    connected = labels == sizes.argmax()
    largest = _largest_picture(connected)
    region = _without_lines(largest, dense & bright, bright, grid)
    labels, sizes = label_parts(dense & ~largest)
    for part in np.argsort(-sizes):
        if sizes[part] < SMALLEST_PART * region.sum():
            break
        joined = _join_in_depth(region, labels == part)
        if joined is not None:
            region = region | joined
    return Cells(region, other=solid & ~region, lit=bright, loose=dense & ~connected & ~region)


def _bright_cells(grid: Grid) -> tuple[Mask, Mask]:
    """Return the cells of solid bright parts, and all bright cells."""
    bright = _without_dark_edge(grid.cells > grid.clear, grid.cells)
    dense = _solid(bright)
    if grid.faint < grid.clear:
        # Cells one gray level above black show the dark side of a fan, unless they are artifacts beside bright ones.
        faint = _solid(grid.cells > grid.faint)
        reach = -(-ARTIFACT_REACH // grid.size)
        distant = erode(np.pad(faint & ~dilate(dense, reach), 1), 1)[1:-1, 1:-1]
        if distant.any():
            added = dilate(distant, reach + 2) & faint
            dense, bright = dense | added, bright | added
    return dense, bright


def _without_dark_edge(bright: Mask, cells: Pixels) -> Mask:
    dark = bright & (cells < EDGE_SHARE * ndimage.maximum_filter(cells, 3))
    outside = ~fill_holes(bright)
    for _ in range(2):
        outside = outside | (dilate(outside, 1) & dark)
    return bright & ~outside


def _solid(bright: Mask) -> Mask:
    """Close small gaps and remove thin lines, but keep a gap that runs from top to bottom between two pictures."""
    margin = 4  # without it, erosion would not remove thin parts at the edge of the image
    closed = np.pad(bright, margin)
    closed = erode(dilate(closed, 1), 1)
    solid = without_thin_parts(closed, 2)[margin:-margin, margin:-margin]
    rows = np.flatnonzero(solid.any(axis=1))
    if len(rows):
        share = bright[rows[0] : rows[-1] + 1].mean(axis=0)
        for column in np.flatnonzero(share[3:-3] < 0.1) + 3:
            if min(share[column - 3 : column].max(), share[column + 1 : column + 4].max()) > 0.4:
                solid[:, column] = False
    return solid


def _banners(dense: Mask, cells: Pixels) -> Mask:
    """Return blocks of rows or columns at the image's edge that span it, are of one gray and end abruptly."""
    banners = np.zeros_like(dense)
    for mask, values, found in ((dense, cells, banners), (dense.T, cells.T, banners.T)):
        span = mask.mean(axis=1)
        number = len(span)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], span > BANNER_SPAN, [0]])))
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            if end - first > BANNER_DEPTH * number or (first > 2 and end < number - 2):
                continue
            beside = max((span[row] for row in (first - 2, end + 1) if 0 <= row < number), default=1.0)
            block = values[first:end]
            even = np.abs(block - np.median(block, axis=1, keepdims=True)) < 4 * GRAY_LEVEL
            if beside < min(span[first:end].max() - 0.2, 0.8) and even.mean() > 0.5:
                found[first:end] = True
                for row, next_row in ((first - 1, first - 2), (end, end + 1)):  # partly banner, where no fan goes on
                    if min(row, next_row) >= 0 and max(row, next_row) < number:
                        found[row] |= ~mask[next_row]
    return banners


def _largest_picture(part: Mask) -> Mask:
    """Return the largest of the pictures that touch each other in a neck, without bars that touch it."""
    part = _split(fill_holes(part), 1, lambda _, other: _is_bar(other))
    steps = max(1, round(NECK * float(np.sqrt(part.sum()))))
    # What lies above or below is a part of the same fan.
    return _split(part, steps, _is_another_picture)


def _is_another_picture(largest: Mask, other: Mask) -> bool:
    if _share_columns(largest, other) > 0.75:
        return False
    return all(part.sum() > share * _hull(part).sum() for part, share in zip((other, largest), SOLID, strict=True))


def _split(part: Mask, steps: int, is_apart: Callable[[Mask, Mask], bool]) -> Mask:
    """Return a part without those beyond necks of at most ``2 * steps`` that ``is_apart`` of the largest."""
    cores, sizes = label_parts(erode(np.pad(part, steps), steps)[steps:-steps, steps:-steps])
    large = np.flatnonzero(sizes >= max(1.0, SMALLEST_CORE * sizes.max()))
    if len(large) < 2:
        return part
    nearest = ndimage.distance_transform_edt(~np.isin(cores, large), return_distances=False, return_indices=True)
    nearest_core = cores[tuple(np.asarray(nearest))]
    largest = part & (nearest_core == sizes.argmax())
    for core in large[large != sizes.argmax()]:
        other = part & (nearest_core == core)
        if is_apart(largest, other):
            part = part & ~other
    return part


def _is_bar(part: Mask) -> bool:
    """Return whether a part is a long rectangle: a gray scale."""
    height, width = np.count_nonzero(part.any(axis=1)), np.count_nonzero(part.any(axis=0))
    return bool(max(height, width) > 3 * min(height, width) and part.sum() > 0.75 * height * width)


def _without_lines(region: Mask, solid: Mask, bright: Mask, grid: Grid) -> Mask:
    """Remove thin bright lines (an ECG, a ruler) that only the closing of gaps has tied to the region."""
    margin = 4
    thick = without_thin_parts(np.pad(solid, margin), 2)[margin:-margin, margin:-margin]
    labels, sizes = label_parts(region & ~fill_holes(region & thick))
    lit = bright & (labels > 0)
    counts = np.bincount(labels[lit], minlength=len(sizes))
    brightness = np.bincount(labels[lit], weights=grid.cells[lit], minlength=len(sizes)) / np.maximum(counts, 1)
    lines = (sizes < 0.15 * region.sum()) & (brightness > 20 * GRAY_LEVEL)
    lines[0] = False
    removed = lines[labels]
    if not removed.any():
        return region
    labels, sizes = label_parts(_without_bumps(region & ~removed, removed))
    return (sizes >= max(1.0, SMALLEST_PART * sizes.max()))[labels]


def _without_bumps(region: Mask, line: Mask) -> Mask:
    """Remove the bumps by which a line along a whole side is tied to the region: peaks of an ECG, ticks of a ruler."""
    for axis, shape in ((0, (1, BUMP)), (1, (BUMP, 1))):
        if line.any(axis=axis).sum() > LINE_SPAN * region.any(axis=axis).sum():
            wide: Mask = np.asarray(ndimage.binary_opening(region, np.ones(shape)), dtype=np.bool_)
            region = region & (wide | ~dilate(line, 2))
    return region


def _join_in_depth(region: Mask, part: Mask) -> Mask | None:
    """Return the hull of both if each continues the other in depth, else ``None``."""
    are_cut = _are_cut_off(region, part)
    if _share_columns(region, part) < (CUT_SHARED if are_cut else LEAST_SHARED):
        return None
    hull = hull_mask(np.concatenate([row_ends(region), row_ends(part)]), region.shape)
    allowed = (CUT_GAIN if are_cut else LARGEST_GAIN) * (region.sum() + part.sum())
    for mask in (region, part):
        rows = mask.any(axis=1)
        if hull[rows].sum() - _hull(mask)[rows].sum() > allowed:
            return None
    return hull


def _are_cut_off(region: Mask, part: Mask) -> bool:
    """Return whether the image shows a part of a fan only: two edges cut the region off, one of them a broad part.

    Such parts are of any shape, so their hull may be much larger than they are.
    """
    broad = part.any(axis=0).sum() > CUT_WIDTH * region.any(axis=0).sum()
    return bool(broad and edges_reached(region) >= 2 and edges_reached(part))


def _hull(mask: Mask) -> Mask:
    return hull_mask(row_ends(mask), mask.shape)


def _share_columns(first: Mask, second: Mask) -> float:
    """Return which share of the columns of the narrower part both have."""
    own, others = first.any(axis=0), second.any(axis=0)
    return float((own & others).sum() / max(1, min(own.sum(), others.sum())))
