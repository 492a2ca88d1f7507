"""Random views of a prepared frame: a known change of pose, and changes of appearance that preserve the anatomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from striq.data.preprocessing import DARKEST


@dataclass(frozen=True)
class ViewRanges:
    """Ranges of the random changes; each is drawn from plus or minus the given value unless stated otherwise.

    Attributes:
        rotation_deg: Rotation, degrees (paper: 20).
        translation: Translation as a fraction of the frame (paper: 0.2; less here, because fans are cropped tightly).
        scale: Scale minus one (paper: 0.2).
        shear: Shear.
        gain: Gain minus one.
        gamma: Gamma exponent minus one.
        depth_tilt: Change of gain from the middle to the bottom, as by time-gain compensation.
        speckle: Largest standard deviation of multiplicative speckle.
        shadow_chance: Probability of an acoustic shadow.
        blur: Largest standard deviation of a Gaussian blur, pixels.
    """

    rotation_deg: float = 20.0
    translation: float = 0.12
    scale: float = 0.2
    shear: float = 0.08
    gain: float = 0.2
    gamma: float = 0.25
    depth_tilt: float = 0.3
    speckle: float = 0.25
    shadow_chance: float = 0.25
    blur: float = 1.2


def random_view(image: Tensor, ranges: ViewRanges, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return a copy of a frame with a random pose and appearance, and the transform of the pose.

    Convention:
        - The fan does not move. Tissue that would come from outside the fan is the nearest tissue inside.
        - ``transform`` is a pull-back from view to frame: the view at x shows the frame at ``transform`` (x).

    Args:
        image: One prepared frame, shape ``(1, H, W)``.
        ranges: Ranges of the changes.
        generator: Source of all random numbers.

    Returns:
        The view, shape ``(1, H, W)``, and its transform, shape ``(2, 3)``.
    """
    transform = random_transform(ranges, generator=generator)
    moved = move(extend_beyond_fan(image), transform, image.shape[1:])
    return change_appearance(torch.where(image > 0, moved, 0.0), ranges, generator=generator), transform


def move(extended: Tensor, transform: Tensor, size: Sequence[int]) -> Tensor:
    """Return an extended frame resampled under a pull-back, shape ``(1, *size)``; edge pixels continue outward.

    Args:
        extended: Frame that fills the whole image, see :func:`extend_beyond_fan`, shape ``(1, H, W)``.
        transform: Affine matrix, shape ``(2, 3)``.
        size: Rows and columns of the result.
    """
    grid = F.affine_grid(transform[None], [1, 1, size[0], size[1]], align_corners=False)
    return F.grid_sample(extended[None], grid, padding_mode="border", align_corners=False)[0].clamp(min=DARKEST)


def random_transform(ranges: ViewRanges, *, generator: torch.Generator) -> Tensor:
    """Return a random affine pull-back, shape ``(2, 3)``.

    Args:
        ranges: Ranges of rotation, translation, scale and shear.
        generator: Source of all random numbers.
    """
    draw = 2 * torch.rand(6, generator=generator) - 1
    angle = draw[0] * torch.deg2rad(torch.tensor(ranges.rotation_deg))
    cos, sin = angle.cos(), angle.sin()
    scale = (1 + ranges.scale * draw[1]) * torch.tensor([1.0, 1.0]) + 0.25 * ranges.scale * draw[2:3]
    shear = torch.stack([torch.tensor(1.0), ranges.shear * draw[3], torch.tensor(0.0), torch.tensor(1.0)])
    linear = torch.stack([cos, -sin, sin, cos]).view(2, 2) @ shear.view(2, 2) @ torch.diag(scale)
    offset = 2 * ranges.translation * draw[4:]  # the frame has width 2 in these coordinates
    return torch.cat([linear, offset[:, None]], dim=1)


def extend_beyond_fan(image: Tensor) -> Tensor:
    """Return the frame with every pixel outside its fan set to the nearest pixel inside, shape ``(1, H, W)``."""
    outside = (image[0] == 0).numpy()
    if outside.all():
        return image
    nearest = np.asarray(ndimage.distance_transform_edt(outside, return_distances=False, return_indices=True))
    rows, columns = torch.from_numpy(nearest).long()
    return image[:, rows, columns]


def change_appearance(image: Tensor, ranges: ViewRanges, *, generator: torch.Generator) -> Tensor:
    """Return the frame with random blur, shadow, speckle, depth gain, gamma and gain, shape ``(1, H, W)``.

    Args:
        image: One prepared frame, shape ``(1, H, W)``.
        ranges: Ranges of the changes.
        generator: Source of all random numbers.
    """
    height, width = image.shape[1:]
    draw = torch.rand(8, generator=generator)
    centered = 2 * draw - 1
    changed = _blur(image, float(ranges.blur * draw[0]))
    if draw[1] < ranges.shadow_chance:
        changed = changed * _shadow(width, draw[2], draw[3])
    noise = torch.randn(1, 1, height // 2, width // 2, generator=generator)
    grain = F.interpolate(noise, (height, width), mode="bilinear")[0]
    changed = changed * (1 + ranges.speckle * draw[4] * grain).clamp(min=0)
    tilt = 1 + ranges.depth_tilt * centered[5] * torch.linspace(-1, 1, height)[:, None]
    changed = (changed * tilt).clamp(0, 1) ** (1 + ranges.gamma * centered[6])
    changed = changed * (1 + ranges.gain * centered[7])
    return torch.where(image > 0, changed.clamp(DARKEST, 1.0), 0.0)


def _blur(image: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(ndimage.gaussian_filter(image[0].numpy(), sigma, mode="nearest"))[None]


def _shadow(width: int, position: Tensor, share: Tensor) -> Tensor:
    x = torch.linspace(0, 1, width)
    dark = torch.exp(-(((x - position) / (0.03 + 0.07 * share)) ** 2))
    return (1 - 0.8 * dark)[None, None, :]
