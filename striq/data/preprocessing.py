"""From a frame as stored to the tensor that the encoder sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.data.fan import bounding_box, fan_mask
from striq.types import Frame

DARKEST = 1 / 255  # of a pixel inside the fan, so that zero means "outside" and the image carries its own mask


def prepare_frame(frame: Frame, size: tuple[int, int]) -> Tensor:
    """Crop one frame to its fan and resample it, shape ``(1, H, W)``.

    Convention:
        - Zero outside the fan; at least 1/255 inside. The fan mask is ``image > 0``, whoever receives the image.
        - The fan's bounding box is stretched to ``size``: depth, aspect and black margins then do not matter.

    Args:
        frame: Frame as read, gray in [0, 1].
        size: Rows and columns wanted.
    """
    mask = fan_mask(frame.pixels)
    top, left, bottom, right = bounding_box(mask)
    stacked = np.stack([frame.pixels * mask, mask.astype(np.float32)])[:, top:bottom, left:right]
    resampled = F.interpolate(torch.from_numpy(stacked)[None], size, mode="bilinear", antialias=True)[0]
    inside = resampled[1:] > 0.5
    return torch.where(inside, resampled[:1].clamp(DARKEST, 1.0), 0.0)


def prepare_batch(frames: Sequence[Frame], size: tuple[int, int]) -> Tensor:
    """Prepare frames one by one and stack them, shape ``(B, 1, H, W)``."""
    return torch.stack([prepare_frame(frame, size) for frame in frames])


def structure_richness(image: Tensor) -> Tensor:
    """Return the standard deviation of the intensity inside the fan, shape ``(B,)``.

    It chooses the pool of anchors and is the simplest of the controls of an evaluation.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
    """
    inside = image > 0
    count = inside.sum(dim=(1, 2, 3)).clamp(min=1)
    mean = image.sum(dim=(1, 2, 3)) / count
    deviation = (image - mean[:, None, None, None]) * inside
    return (deviation.square().sum(dim=(1, 2, 3)) / count).sqrt()
