"""Preprocessing of frames for the encoder, and image measures inside the fan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.data.cine import SMALLEST_SIDE
from striq.data.fan import bounding_box, find_fan, without_trace
from striq.errors import ReadError
from striq.types import Frame

Blur = Callable[[Tensor, float], Tensor]  # blurs prepared frames by a standard deviation in pixels
Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels
STRUCTURE_BAND = (1 / 64, 1 / 16)  # standard deviations of the two blurs, as fractions of the frame's width
MIN_FAN_WEIGHT = 1e-6  # smallest weight of the fan around a pixel that a blur divides by
DARKEST = 1 / 255  # smallest value inside the fan; zero means outside, so an image contains its own mask


def prepare_frame(frame: Frame, size: tuple[int, int]) -> Tensor:
    """Crop one frame to its fan and resample it, shape ``(1, H, W)``; see :func:`crop_and_prepare`.

    Raises:
        ReadError: If the fan has less than 64 rows or columns.
    """
    return crop_and_prepare(frame, size)[0]


def crop_and_prepare(frame: Frame, size: tuple[int, int]) -> tuple[Tensor, Box]:
    """Crop one frame to its fan and resample it; return it, shape ``(1, H, W)``, and its box in the frame.

    Convention:
        - The image is zero outside the fan and at least 1/255 inside, so ``image > 0`` is its fan mask.
        - The fan's bounding box is stretched to ``size``; depth, aspect ratio and black margins have no influence.
        - An ECG that crosses the fan is filled from the tissue beside it.

    Args:
        frame: Frame as read, gray values in [0, 1].
        size: Rows and columns of the prepared image.

    Raises:
        ReadError: If the fan has less than 64 rows or columns.
    """
    mask, pixels = _fan_of(frame)
    fan = _fan_crops(mask, size)
    top, left, bottom, right = fan.box
    if min(bottom - top, right - left) < SMALLEST_SIDE:
        raise ReadError(
            what="The fan is too small to judge",
            where=f"{frame.source}, frame {frame.index}" if frame.source else f"frame {frame.index}",
            expected=f"at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels",
            got=f"{bottom - top} x {right - left}",
            remedy="Export the frame at its full size; this may be a thumbnail.",
        )
    part = slice(top, bottom), slice(left, right)
    resampled = _resample(pixels[part] * mask[part], size)
    return torch.where(fan.inside, resampled.clamp_(DARKEST, 1.0), 0.0), fan.box


def _fan_of(frame: Frame) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return the fan of a frame and its pixels without the ECG that crosses the fan, both shape ``(H, W)``."""
    if frame.fan is None:
        return find_fan(frame.pixels)
    mask = frame.fan.mask(frame.pixels)
    return mask, without_trace(frame.pixels, mask)


@dataclass(frozen=True)
class _FanCrop:
    """Where a fan lies in its frame, and in the prepared one."""

    mask: NDArray[np.bool_]
    size: tuple[int, int]
    box: Box
    inside: Tensor

    @classmethod
    def of(cls, mask: NDArray[np.bool_], size: tuple[int, int]) -> _FanCrop:
        top, left, bottom, right = box = bounding_box(mask)
        share = _resample(mask[top:bottom, left:right].astype(np.float32), size)
        return cls(mask, size, box, share > 0.5)


class _FanCrops:
    """The crop of the last mask: the frames of a cine mostly have one mask, the same object."""

    def __init__(self) -> None:
        self._last: _FanCrop | None = None

    def __call__(self, mask: NDArray[np.bool_], size: tuple[int, int]) -> _FanCrop:
        last = self._last
        if last is None or last.mask is not mask or last.size != size:
            self._last = last = _FanCrop.of(mask, size)  # in one assignment: another thread may prepare other frames
        return last


_fan_crops = _FanCrops()


def _resample(values: NDArray[np.float32], size: tuple[int, int]) -> Tensor:
    """Return an array ``(H, W)`` at another size, shape ``(1, *size)``."""
    return F.interpolate(torch.from_numpy(values)[None, None], size, mode="bilinear", antialias=True)[0]


def prepare_batch(frames: Sequence[Frame], size: tuple[int, int]) -> Tensor:
    """Prepare frames and stack them, shape ``(B, 1, H, W)``; see :func:`prepare_frame`.

    Raises:
        ReadError: If the fan of a frame has less than 64 rows or columns.
    """
    return torch.stack([prepare_frame(frame, size) for frame in frames])


def intensity_std(image: Tensor) -> Tensor:
    """Return the standard deviation of the intensity inside the fan, shape ``(B,)``.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
    """
    return _std_inside(image, image > 0)


def structure_richness(image: Tensor, blur: Blur | None = None) -> Tensor:
    """Return how much structure of the size of walls and chambers a frame shows, shape ``(B,)``.

    It is the standard deviation inside the fan of the difference of two Gaussian blurs, a band-pass filter that
    removes speckle as well as slow changes of brightness.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        blur: Faster equivalent of :func:`blur_inside`, which is the default.
    """
    fine, coarse = ((blur or blur_inside)(image, share * image.shape[-1]) for share in STRUCTURE_BAND)
    return _std_inside(fine - coarse, image > 0)


def structure_contrast(image: Tensor, blur: Blur | None = None) -> Tensor:
    """Return the structure of a frame relative to its white level, shape ``(B,)``.

    Convention:
        - One percent of the fan's pixels are brighter than the white level.
        - Scaling all intensities, as a gain control does, does not change the contrast; a shadow lowers it.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        blur: Faster equivalent of :func:`blur_inside`, which is the default.
    """
    pixels = image.flatten(1)
    brightest = pixels.topk(pixels.shape[1] // 100 + 1, dim=1).values  # sorted, brightest first
    num_brighter = (image > 0).sum(dim=(1, 2, 3)) // 100
    white = brightest.gather(1, num_brighter[:, None])[:, 0]
    return structure_richness(image, blur) / white.clamp(min=DARKEST)


def _std_inside(values: Tensor, inside: Tensor) -> Tensor:
    weight = inside.to(values)
    count = weight.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    mean = (values * weight).sum(dim=(1, 2, 3), keepdim=True) / count
    deviation = (values - mean) * weight
    return (deviation.square().sum(dim=(1, 2, 3), keepdim=True) / count).sqrt().flatten()


def blur_inside(image: Tensor, sigma: float) -> Tensor:
    """Return frames blurred inside their fan; pixels outside have no influence and stay zero.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        sigma: Standard deviation of the Gaussian, pixels.
    """
    # For kernels this wide, matrix products on a CPU take a tenth of the time of a convolution.
    height, width = image.shape[-2:]
    vertical = gaussian_matrix(height, sigma, image)
    horizontal = vertical if width == height else gaussian_matrix(width, sigma, image)
    inside = (image > 0).to(image)
    return (vertical @ image @ horizontal) / (vertical @ inside @ horizontal).clamp(min=MIN_FAN_WEIGHT) * inside


def blur_reach(sigma: float) -> int:
    """Return the distance in pixels at which a Gaussian of standard deviation ``sigma`` is truncated."""
    return math.ceil(3 * sigma)


def gaussian_matrix(size: int, sigma: float, like: Tensor) -> Tensor:
    """Return the matrix that convolves a column with a Gaussian of peak 1, shape ``(size, size)``.

    Args:
        size: Length of the column, pixels.
        sigma: Standard deviation, pixels.
        like: Tensor that defines device and dtype.
    """
    distance = torch.arange(1 - size, size, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-(distance**2) / (2 * sigma**2)) * (distance.abs() <= blur_reach(sigma))
    return kernel.unfold(0, size, 1).flip(0)
