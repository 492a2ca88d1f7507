"""Gaussian blur inside the fan for frames of a cine, which mostly share one fan; same as ``blur_inside``."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.data.preprocessing import LITTLE_FAN, blur_reach, gaussian_matrix

BLOCK = 64  # rows or columns blurred by one matrix product: a full matrix is mostly zeros


class FanBlur:
    """Blurs frames inside their fan and caches what depends on the fan alone."""

    def __init__(self) -> None:
        self._cached: tuple[Tensor, dict[float, Tensor]] = torch.empty(0, dtype=torch.bool), {}

    def __call__(self, image: Tensor, sigma: float) -> Tensor:
        """Return blurred frames, same shape; see ``striq.data.preprocessing.blur_inside``.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
            sigma: Standard deviation of the Gaussian, pixels.
        """
        fan, (cached_fan, shares) = image > 0, self._cached
        if not torch.equal(fan, cached_fan):
            shares = {}
            self._cached = fan, shares  # in one assignment: another thread may be blurring frames of another fan
        if sigma not in shares:
            inside = fan.to(image)
            shares[sigma] = inside / _blurred(inside, sigma).clamp(min=LITTLE_FAN)
        return _blurred(image, sigma) * shares[sigma]


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """Return frames blurred along columns, then rows, with zeros beyond the border, same shape."""
    (height, width), band, reach = image.shape[2:], _band(sigma).to(image), blur_reach(sigma)
    strips = F.pad(image, [0, 0, reach, reach + (-height % BLOCK)]).unfold(2, band.shape[1], BLOCK)
    down = (band @ strips.transpose(3, 4)).flatten(2, 3)[:, :, :height]
    strips = F.pad(down, [reach, reach + (-width % BLOCK)]).unfold(3, band.shape[1], BLOCK)
    across = strips.flatten(0, 3) @ band.t()  # one product for all rows
    return across.unflatten(0, strips.shape[:4]).flatten(3)[..., :width]


@lru_cache(maxsize=8)
def _band(sigma: float) -> Tensor:
    """Return the matrix that blurs a strip, shape ``(BLOCK, BLOCK + 2 * reach)``."""
    reach = blur_reach(sigma)
    return gaussian_matrix(BLOCK + 2 * reach, sigma, torch.empty(0))[reach : reach + BLOCK].contiguous()
