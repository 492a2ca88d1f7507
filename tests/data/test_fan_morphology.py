"""Tests of ``striq.data.fan.morphology`` against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from striq.data.fan.morphology import (
    Mask,
    dilate,
    erode,
    fill_holes,
    hull_mask,
    label_parts,
    largest_part,
    row_ends,
    without_thin_parts,
)


@pytest.fixture
def speckled() -> Mask:
    """A mask that touches the edges, full of holes."""
    return np.random.default_rng(0).random((40, 53)) > 0.4


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_growing_and_shrinking_are_dilation_and_erosion_by_a_cross(speckled: Mask, steps: int) -> None:
    np.testing.assert_array_equal(dilate(~speckled, steps), ndimage.binary_dilation(~speckled, iterations=steps))
    expected = ndimage.binary_erosion(speckled, iterations=steps, border_value=1)
    np.testing.assert_array_equal(erode(speckled, steps), expected)


@pytest.mark.parametrize("threshold", [0.4, 0.5, 0.6])
def test_filling_is_that_of_scipy(threshold: float) -> None:
    mask = np.asarray(ndimage.gaussian_filter(np.random.default_rng(0).random((40, 53)), 1) > threshold)
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_largest_part_is_the_one_of_most_pixels() -> None:
    mask = np.zeros((10, 10), dtype=bool)
    mask[1:3, 1:3] = mask[6:9, 5:9] = True
    assert largest_part(mask)[6:9, 5:9].all()
    assert largest_part(mask).sum() == 12
    assert not largest_part(np.zeros_like(mask)).any()


def test_thin_parts_go_and_corners_stay() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    square = np.zeros_like(mask)
    square[10:30, 10:30] = True
    mask[18:21, 30:55] = True  # a line that touches the square
    kept = without_thin_parts(mask | square, 2)
    assert not kept[:, 34:].any()
    assert kept[12:28, 10:30].all()
    assert np.count_nonzero(square & ~kept) <= 8


def test_parts_are_numbered_with_their_sizes() -> None:
    mask = np.zeros((10, 10), dtype=bool)
    mask[1:3, 1:3] = mask[6:9, 5:9] = True
    labels, sizes = label_parts(mask)
    assert sorted(sizes) == [0, 4, 12]
    assert (labels == sizes.argmax()).sum() == 12


def test_hull_of_a_convex_shape_is_the_shape() -> None:
    rows, columns = np.mgrid[:50, :60]
    disc = np.hypot(rows - 25, columns - 30) < 18
    hull = hull_mask(row_ends(disc), disc.shape)
    assert hull[disc].all()
    assert hull.sum() < 1.03 * disc.sum()


def test_hull_of_a_line_is_the_line() -> None:
    mask = np.zeros((10, 12), dtype=bool)
    mask[4, 2:9] = True
    np.testing.assert_array_equal(hull_mask(row_ends(mask), mask.shape), mask)
