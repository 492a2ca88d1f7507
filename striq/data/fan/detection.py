"""The mask of the fan of one image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from striq.data.fan.banners import without_banners
from striq.data.fan.edges import Edges, edges_of_cells, find_edges
from striq.data.fan.grid import GRAY_LEVEL, Grid, Pixels, border, make_grid
from striq.data.fan.marks import find_marks
from striq.data.fan.morphology import (
    Box,
    Mask,
    Points,
    bounding_box,
    dilate,
    erode,
    fill_holes,
    hull_mask,
    largest_part,
    row_ends,
)
from striq.data.fan.regions import Cells, find_cells
from striq.data.fan.ruler import inside_rulers
from striq.data.fan.seam import find_seam
from striq.data.fan.sector import Sector, fit_sector
from striq.data.fan.support import Fit, judge_fit, upright_sides
from striq.data.fan.trace import without_trace

MINIMUM_SHARE = 0.05  # of the image; a smaller region is text or a logo, not a fan
CONVEX = 0.02  # share of the hull that is empty in a fan without anything dark or attached to its edge
EDGE_SHARE = 0.25  # of the brightness beside it; a darker pixel at the edge is a compression artifact
BANNER_SHARE, BANNER_SPAN = 0.5, 0.85  # of a row of cells, of a row of pixels, that a banner covers
LARGEST_TIP = 4  # cells
LARGEST_MARK = 0.01  # of the fan's cells; a larger one disturbs the fit of a sector
COVERED = 0.97  # of the fan but for its outermost cells
SEEN = 0.6  # support of the edges of a sector that is the fan
SMALLEST_WINDOW = 16  # pixels


def fan_mask(pixels: NDArray[np.float32]) -> Mask:
    """Return the fan of an image, a convex mask.

    The fan is the largest region that differs from the background, whose gray value is the most frequent one of the
    image's border. What is dark inside the fan belongs to it: blood, shadow, bands and depths without echoes, as far as
    the rest shows the fan's shape. If the edges of the image cut the fan off, parts of it with fluid between them are
    joined, and it may begin with fluid. Text, rulers, banners, traces and smaller pictures are outside, even if they
    touch the fan. Of two rectangular pictures that touch, the larger is the fan, of equal ones the left.
    A fan with a concave top is filled up to its chord. If no region is large enough, the whole image is the fan.

    Args:
        pixels: Gray image in [0, 1], shape ``(H, W)``.

    Returns:
        Mask of the fan, shape ``(H, W)``.
    """
    return find_fan(pixels)[0]


def find_fan(pixels: NDArray[np.float32]) -> tuple[Mask, NDArray[np.float32]]:
    """Return the fan of an image, see :func:`fan_mask`, and the image without the ECG that crosses it.

    Args:
        pixels: Gray image in [0, 1], shape ``(H, W)``.
    """
    pixels = without_banners(pixels)
    mask = _detect(pixels, windows=2)
    plain = without_trace(pixels, mask)
    if plain is not pixels:
        mask = _detect(plain, windows=2)
    return inside_rulers(plain, mask), plain


def _detect(pixels: Pixels, windows: int) -> Mask:
    grid = make_grid(pixels)
    cells = find_cells(grid)
    if cells is None:
        return np.ones(pixels.shape, dtype=bool)
    window = _window(cells.fan, grid, pixels) if windows else None
    if window is not None:
        top, left, bottom, right = window
        mask = np.zeros(pixels.shape, dtype=bool)
        mask[top:bottom, left:right] = _detect(pixels[top:bottom, left:right], windows - 1)
        return mask
    if cells.fan.sum() < MINIMUM_SHARE * cells.fan.size:
        return np.ones(pixels.shape, dtype=bool)
    half = _half(cells.fan, grid, pixels) if windows else None
    if half is not None:
        mask = np.zeros(pixels.shape, dtype=bool)
        mask[:, half] = _detect(pixels[:, half], windows - 1)
        return mask
    points, marks = _outline(grid, cells)
    if marks is not None and (marks & cells.fan).sum() > LARGEST_MARK * cells.fan.sum():
        rest = replace(cells, fan=largest_part(cells.fan & ~marks), lit=cells.lit & ~marks)
        points, _ = _outline(grid, rest, is_top_seen=True)
    return hull_mask(points * grid.stride + (grid.stride - 1) / 2, pixels.shape)


def _window(region: Mask, grid: Grid, pixels: Pixels) -> Box | None:
    """Return the inside of a rectangle with a border of one gray, in which a user interface shows the fan."""
    filled = fill_holes(region)
    rows = np.flatnonzero(filled.sum(axis=1) > 0.5 * filled.any(axis=0).sum())
    columns = np.flatnonzero(filled.sum(axis=0) > 0.5 * filled.any(axis=1).sum())
    if not len(rows) or not len(columns):
        return None
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    box = filled[top:bottom, left:right]
    if box.mean() < 0.93 or filled.sum() > 1.25 * box.sum() or box.size > 0.95 * filled.size:
        return None
    scale = grid.stride * grid.size
    top, left, bottom, right = ((top + 1) * scale, (left + 1) * scale, (bottom - 1) * scale, (right - 1) * scale)
    inside = pixels[top:bottom, left:right]
    if min(inside.shape) < SMALLEST_WINDOW:
        return None
    edge = border(inside, max(1, scale // 2))
    level = np.median(edge)
    is_even = np.mean(np.abs(edge - level) <= 2.5 * GRAY_LEVEL) > 0.7
    return (top, left, bottom, right) if is_even and level < 65 * GRAY_LEVEL else None


def _half(region: Mask, grid: Grid, pixels: Pixels) -> slice | None:
    """Return the columns of the larger of two rectangular pictures that touch; of equal ones, the left."""
    seam = find_seam(grid.difference, region, grid.size, grid.clear_pixel)
    if seam is None:
        return None
    cell, column = round(seam / grid.size), seam * grid.stride
    left, right = int(region[:, :cell].sum()), int(region[:, cell:].sum())
    # Cells are coarse, so equal pictures may differ by some.
    return slice(0, column) if left > 0.97 * right else slice(column, pixels.shape[1])


def _is_marked(cells: Cells) -> bool:
    """Return whether something lies beside the fan; a few cells may be the tip of the fan itself."""
    beside = cells.lit & dilate(cells.fan, 4) & ~dilate(cells.fan, 1)
    return bool((dilate(cells.fan, 2) & cells.other).any() or beside.sum() > LARGEST_TIP)


def _stands_alone(fan: Mask, hull: Mask, other: Mask) -> bool:
    """Return whether the fan is convex and touches nothing, so that no sector is needed."""
    return _is_convex(fan, hull) and not (dilate(fan, 2) & other).any()


def _is_convex(fan: Mask, hull: Mask) -> bool:
    return bool(fan.sum() > (1 - CONVEX) * hull.sum())


def _fit(cells: Cells, hull: Mask, columns: slice, is_top_seen: bool) -> Fit:
    """Fit a sector to the fan, which lies within the given columns and may begin with fluid if its top is not seen."""
    banners = np.flatnonzero(cells.other[: len(hull) // 4].mean(axis=1) > BANNER_SHARE)
    top = int(banners[-1]) + 1 if len(banners) else 0
    if is_top_seen:
        top = int(cells.fan.any(axis=1).argmax())
    unseen = np.ones(hull.shape, dtype=bool)
    unseen[:, columns] = False
    sector = fit_sector(cells.fan, cells.loose | unseen)
    fit = judge_fit(sector, cells.fan, hull, top, columns)
    if _is_convex(cells.fan, hull):
        fit = replace(fit, completes=False)  # nothing is dark; the display may cut the sector off
    if not fit.bounds or fit.is_close:
        return fit
    # What lies outside has pulled the sector outward.
    inside = largest_part(cells.fan & sector.grown(0.5).mask(hull.shape))
    sector = fit_sector(inside, cells.loose | unseen | (cells.fan & ~inside), start=sector)
    return replace(judge_fit(sector, inside, hull_mask(row_ends(inside), hull.shape), top, columns), bounds=True)


def _outline(grid: Grid, cells: Cells, is_top_seen: bool = False) -> tuple[Points, Mask | None]:
    """Return points whose hull is the fan, in pixels of ``grid.difference``, and cells of marks at its corners."""
    hull = hull_mask(row_ends(cells.fan), cells.fan.shape)
    fit = None
    if _is_marked(cells):
        fit = _fit(cells, hull, upright_sides(cells.fan, is_marked=True), is_top_seen)
        other = _other_pixels(grid, cells.other)
        edges = find_edges(fit.sector, (grid.difference > grid.clear_pixel) & ~other, grid.size, fit.columns)
        if edges.support > SEEN and _covers(edges, cells.fan, grid):
            return _points(grid, cells.fan, other, (replace(fit, bounds=True), edges))
    other = grid.enlarge(cells.other)
    if _stands_alone(cells.fan, hull, cells.other):
        return _points(grid, cells.fan, other, None)
    columns = upright_sides(cells.fan, is_marked=False)
    if fit is None or fit.columns != columns:
        fit = _fit(cells, hull, columns, is_top_seen)
    return _points(grid, cells.fan, other, (fit, edges_of_cells(fit, grid.size)))


def _covers(edges: Edges, region: Mask, grid: Grid) -> bool:
    """Return whether a sector holds the fan but for its outermost cells; one that was fitted to no sector does not."""
    inner = grid.enlarge(erode(region, 1))
    return bool(edges.mask(inner.shape, above=0)[inner].mean() > COVERED)


def _points(grid: Grid, region: Mask, other: Mask, bounds: tuple[Fit, Edges] | None) -> tuple[Points, Mask | None]:
    """Return points whose hull is the fan, bounded and completed by the fitted sector and its edges, if any.

    Cells beyond a corner at which a mark is found are returned as well.
    """
    near = dilate(region, 2)
    # Only the pixels near the region are examined.
    top, left, bottom, right = bounding_box(near)
    part = grid.part(top, left, bottom, right)
    place = slice(top * grid.size, bottom * grid.size), slice(left * grid.size, right * grid.size)
    around = part.enlarge(near[top:bottom, left:right]) & ~other[place]
    if bounds is not None and (fit := bounds[0]).bounds:
        around &= bounds[1].mask(grid.difference.shape, above=fit.margin * grid.size)[place]
        region = region & fit.sector.grown(1.25).mask(region.shape)
    bright = _bright_pixels(part, around)
    inner = erode(np.pad(region, 1), max(1, round(3 / grid.size)))[1:-1, 1:-1]
    ends = row_ends(bright)
    marks = find_marks(bright, ends)
    marked = None
    if marks is not None:
        ends = row_ends(bright & ~marks)
        marked = np.zeros_like(region)
        marked[top:bottom, left:right] = _of_cells(marks, grid.size, (bottom - top, right - left))
        inner &= ~marked
    sharp = ends + np.array([left, top]) * grid.size
    points = [sharp, (row_ends(inner) + 0.5) * grid.size - 0.5]
    if bounds is not None and bounds[0].completes:
        edges = bounds[1]
        ends = _sector_ends(edges.sector.grown(-0.75 * grid.size / edges.scale), grid.difference.shape, edges.scale)
        ends[:, 0] = ends[:, 0].clip(edges.columns.start, edges.columns.stop - 1)
        points.append(ends)
    return np.concatenate(points), marked


def _other_pixels(grid: Grid, other: Mask) -> Mask:
    """Return the pixels of what is not the fan; banners end at the row at which they end in the image."""
    rows = np.flatnonzero(other.mean(axis=1) > BANNER_SHARE)
    pixels = grid.enlarge(other)
    for row in {r for r in (*(rows + 1), *(rows - 1)) if 0 <= r < len(other)} | set(rows):
        part = slice(row * grid.size, (row + 1) * grid.size)
        is_banner = (grid.difference[part] > grid.clear_pixel).mean(axis=1) > BANNER_SPAN
        if is_banner.any():
            pixels[part] = is_banner[:, None]
    return pixels


def _bright_pixels(grid: Grid, around: Mask) -> Mask:
    beside = np.maximum(EDGE_SHARE * ndimage.maximum_filter(grid.cells, 3), np.float32(grid.clear_pixel))
    bright = (grid.difference > grid.enlarge(beside)) & around
    # Closing joins sparse speckle. Opening then removes thin text and rulers.
    reach = max(1, min(bright.shape) // 200)
    margin = 4 * reach  # without it, erosion would not remove thin parts at the edge of the image
    closed = dilate(np.pad(bright, margin), reach)
    # Closing is dilate, erode; opening is erode, dilate. The two erosions in the middle are one.
    opened = dilate(erode(closed, 2 * reach), reach)[margin:-margin, margin:-margin]
    return opened & around


def _of_cells(pixels: Mask, size: int, shape: tuple[int, ...]) -> Mask:
    """Return the value of the pixel in the middle of each cell; the last cells may have fewer pixels."""
    rows, columns = ((np.arange(n) * size + size // 2).clip(0, m - 1) for n, m in zip(shape, pixels.shape, strict=True))
    return pixels[np.ix_(rows, columns)]


def _sector_ends(sector: Sector, shape: tuple[int, int], scale: int) -> Points:
    left, right = sector.spans((np.arange(shape[0]) + 0.5) / scale)
    rows = np.flatnonzero(right - left > 1)
    ends = np.concatenate([left[rows] * scale, right[rows] * scale - 1]).clip(0, shape[1] - 1)
    return np.stack([ends, np.concatenate([rows, rows]).astype(np.float64)], axis=1)
