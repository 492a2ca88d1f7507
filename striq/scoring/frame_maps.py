"""Maps of the encoder's crop resampled onto the pixels of the frame."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from striq.data.preprocessing import Box

MIN_WEIGHT = 1e-6  # avoids a division by zero where no cell is known
MIN_KNOWN = 0.5  # a pixel whose cells are mostly unknown is unknown


def resample_onto_frame(cells: NDArray[np.float32], crop: Box, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map of the crop on the pixels of the whole frame, NaN where there is no value.

    Args:
        cells: Map of the crop, NaN where a cell is unknown, shape ``(H', W')``.
        crop: Top, left, bottom and right of the crop, in pixels of the frame.
        shape: Shape ``(H, W)`` of the frame.
    """
    top, left, bottom, right = crop
    size = (bottom - top, right - left)
    given = torch.from_numpy(cells)[None, None]
    weight = F.interpolate(torch.isfinite(given).float(), size, mode="bilinear")
    value = F.interpolate(torch.nan_to_num(given), size, mode="bilinear") / weight.clamp(min=MIN_WEIGHT)
    whole = np.full(shape, np.nan, np.float32)
    whole[top:bottom, left:right] = torch.where(weight > MIN_KNOWN, value, torch.nan)[0, 0].numpy()
    return whole
