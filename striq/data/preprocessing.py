"""From a frame as stored to the tensor that the encoder sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.data.fan import bounding_box, fan_mask
from striq.types import Frame

Blur = Callable[[Tensor, float], Tensor]  # of prepared frames, by a standard deviation in pixels
Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels
STRUCTURE_BAND = (1 / 64, 1 / 16)  # standard deviations of the two blurs, in widths of the frame
LITTLE_FAN = 1e-6  # least weight of the fan around a pixel that a blur divides by
DARKEST = 1 / 255  # of a pixel inside the fan, so that zero means "outside" and the image carries its own mask


def prepare_frame(frame: Frame, size: tuple[int, int]) -> Tensor:
    """Crop one frame to its fan and resample it, shape ``(1, H, W)``; see :func:`crop_and_prepare`."""
    return crop_and_prepare(frame, size)[0]


def crop_and_prepare(frame: Frame, size: tuple[int, int]) -> tuple[Tensor, Box]:
    """Return one frame cropped to its fan and resampled, shape ``(1, H, W)``, and the box it was cropped to.

    Convention:
        - Zero outside the fan; at least 1/255 inside. The fan mask is ``image > 0``, whoever receives the image.
        - The fan's bounding box is stretched to ``size``: depth, aspect and black margins then do not matter.

    Args:
        frame: Frame as read, gray in [0, 1].
        size: Rows and columns wanted.
    """
    mask = fan_mask(frame.pixels)
    top, left, bottom, right = box = bounding_box(mask)
    stacked = np.stack([frame.pixels * mask, mask.astype(np.float32)])[:, top:bottom, left:right]
    resampled = F.interpolate(torch.from_numpy(stacked)[None], size, mode="bilinear", antialias=True)[0]
    inside = resampled[1:] > 0.5
    return torch.where(inside, resampled[:1].clamp(DARKEST, 1.0), 0.0), box


def prepare_batch(frames: Sequence[Frame], size: tuple[int, int]) -> Tensor:
    """Prepare frames one by one and stack them, shape ``(B, 1, H, W)``."""
    return torch.stack([prepare_frame(frame, size) for frame in frames])


def intensity_std(image: Tensor) -> Tensor:
    """Return the standard deviation of the intensity inside the fan, shape ``(B,)``: the simplest control.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
    """
    return _std_inside(image, image > 0)


def structure_richness(image: Tensor, blur: Blur | None = None) -> Tensor:
    """Return how much structure of the size of walls and chambers a frame shows, shape ``(B,)``.

    It is the standard deviation, inside the fan, of the frame between two Gaussian blurs: neither speckle nor a
    brightness that changes slowly counts. It chooses the pool of anchors.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        blur: Computes the same as :func:`blur_inside`, which is the default.
    """
    fine, coarse = ((blur or blur_inside)(image, share * image.shape[-1]) for share in STRUCTURE_BAND)
    return _std_inside(fine - coarse, image > 0)


def structure_contrast(image: Tensor, blur: Blur | None = None) -> Tensor:
    """Return the structure of a frame over its white level, shape ``(B,)``.

    Convention:
        - The white level is exceeded by one pixel of the fan in a hundred.
        - A factor on all intensities, such as a gain knob, leaves the contrast as it is; a shadow lowers it.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        blur: As for :func:`structure_richness`.
    """
    pixels = image.flatten(1)
    brightest = pixels.topk(pixels.shape[1] // 100 + 1, dim=1).values  # in order, brightest first
    above = (image > 0).sum(dim=(1, 2, 3)) // 100
    white = brightest.gather(1, above[:, None])[:, 0]
    return structure_richness(image, blur) / white.clamp(min=DARKEST)


def _std_inside(values: Tensor, inside: Tensor) -> Tensor:
    weight = inside.to(values)
    count = weight.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    mean = (values * weight).sum(dim=(1, 2, 3), keepdim=True) / count
    deviation = (values - mean) * weight
    return (deviation.square().sum(dim=(1, 2, 3), keepdim=True) / count).sqrt().flatten()


def blur_inside(image: Tensor, sigma: float) -> Tensor:
    """Return frames blurred over their fan only: what lies outside neither darkens the edge nor gets anything.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        sigma: Standard deviation of the Gaussian, pixels.
    """
    # As matrix products: a tenth of the time of a convolution with so wide a kernel on a CPU.
    height, width = image.shape[-2:]
    down = gaussian_matrix(height, sigma, image)
    across = down if width == height else gaussian_matrix(width, sigma, image)
    inside = (image > 0).to(image)
    return (down @ image @ across) / (down @ inside @ across).clamp(min=LITTLE_FAN) * inside


def blur_reach(sigma: float) -> int:
    """Return the distance, in pixels, at which a Gaussian of standard deviation ``sigma`` is cut off."""
    return math.ceil(3 * sigma)


def gaussian_matrix(size: int, sigma: float, like: Tensor) -> Tensor:
    """Return the matrix that blurs columns of pixels by a Gaussian, not normalized, shape ``(size, size)``.

    Args:
        size: Pixels of a column.
        sigma: Standard deviation, pixels.
        like: Gives device and precision.
    """
    distance = torch.arange(1 - size, size, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-(distance**2) / (2 * sigma**2)) * (distance.abs() <= blur_reach(sigma))
    return kernel.unfold(0, size, 1).flip(0)
