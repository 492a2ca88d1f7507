"""Tests of the morphology in ``striq.data.fan`` against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from striq.data.fan import _dilate, _erode, fan_mask


@pytest.fixture
def speckled() -> NDArray[np.bool_]:
    """A mask that touches the edges, full of holes."""
    return np.random.default_rng(0).random((40, 53)) > 0.4


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_growing_and_shrinking_are_dilation_and_erosion_by_a_cross(speckled: NDArray[np.bool_], steps: int) -> None:
    np.testing.assert_array_equal(_dilate(~speckled, steps), ndimage.binary_dilation(~speckled, iterations=steps))
    np.testing.assert_array_equal(_erode(speckled, steps), ndimage.binary_erosion(speckled, iterations=steps))


def test_mask_is_that_of_closing_and_opening_with_scipy() -> None:
    generator = np.random.default_rng(1)
    rows, columns = np.mgrid[:300, :420]
    inside = (np.hypot(rows, columns - 210) < 260) & (np.abs(columns - 210) < rows * 0.7)
    pixels = (inside * generator.random(inside.shape)).astype(np.float32)
    pixels[250:270, 5:60] = 0.9  # a scale beside the fan
    bright = np.pad(pixels > 3 / 255, 4)
    opened = ndimage.binary_opening(ndimage.binary_closing(bright, iterations=2), iterations=2)[4:-4, 4:-4]
    labels = np.asarray(ndimage.label(opened)[0])
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    mask = fan_mask(pixels)
    assert mask[largest].all()
    assert not mask[250:270, 5:60].any()
    assert 0.98 < largest.sum() / mask.sum() <= 1  # the hull adds little
