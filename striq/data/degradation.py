"""Synthetic changes for robustness studies: degradations, which remove structure, and perturbations, which do not.

A quality score should fall with the severity of a degradation and stay the same under a perturbation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from striq.data.augmentation import extend_beyond_fan
from striq.data.preprocessing import DARKEST
from striq.registration.affine import pixel_grid

GAIN, GAMMA, CROP = 0.2, (0.8, 1.25), 0.05  # largest gain change, range of gamma, largest share cut from a side
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the degradations, in studies
SPECKLE = 0.2  # standard deviation of multiplicative speckle

Pixels = NDArray[np.float32]


def degrade(image: Tensor, kind: str, severity: float, *, seed: int = 0) -> Tensor:
    """Return a prepared frame with less structure in the same fan, shape ``(1, H, W)``.

    Convention:
        - No degradation is an affine change of pose, so registration cannot undo it.

    Args:
        image: One prepared frame, shape ``(1, H, W)``.
        kind: One of ``DEGRADATIONS``.
        severity: From 0 (unchanged) to 1.
        seed: Seed of the random deformation.

    Raises:
        ValueError: If the kind is unknown or the severity is outside [0, 1].
    """
    if kind not in DEGRADATIONS or not 0 <= severity <= 1:
        known = ", ".join(DEGRADATIONS)
        msg = f"'kind' must be one of {known} and 'severity' within [0, 1], got {kind!r} and {severity}."
        raise ValueError(msg)
    if severity == 0:
        return image
    degraded = DEGRADATIONS[kind](extend_beyond_fan(image), severity, seed)
    return torch.where(image > 0, degraded.clamp(DARKEST, 1.0), 0.0)


def perturb(pixels: Pixels, kind: str, *, generator: np.random.Generator) -> Pixels:
    """Return an image as if recorded with different scanner settings, structure unchanged, float32 in [0, 1].

    Args:
        pixels: Gray image in [0, 1], shape ``(H, W)``.
        kind: One of ``PERTURBATIONS``, or ``"all"`` for all of them in sequence.
        generator: Source of the random amount.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind != ALL and kind not in PERTURBATIONS:
        msg = f"'kind' must be one of {', '.join(PERTURBATIONS)} or {ALL}, got {kind!r}."
        raise ValueError(msg)
    for name in PERTURBATIONS if kind == ALL else (kind,):
        pixels = PERTURBATIONS[name](pixels, generator)
    return pixels.clip(0, 1).astype(np.float32)


def _gain(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    return pixels * generator.uniform(1 - GAIN, 1 + GAIN)


def _gamma(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    return pixels ** generator.uniform(*GAMMA)


def _speckle(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    grain = ndimage.gaussian_filter(generator.standard_normal(pixels.shape), 1.0)
    return pixels * (1 + SPECKLE * grain / grain.std()).clip(0)


def _crop(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """Move each side of the image inward, or outward with black padding."""
    for axis, length in enumerate(pixels.shape):
        for flip in (False, True):
            pixels = np.flip(pixels, axis) if flip else pixels
            pixels = _move_edge(pixels, axis, round(length * generator.uniform(-CROP, CROP)))
            pixels = np.flip(pixels, axis) if flip else pixels
    return np.ascontiguousarray(pixels)


def _move_edge(pixels: Pixels, axis: int, inward: int) -> Pixels:
    if inward >= 0:
        return pixels.take(range(inward, pixels.shape[axis]), axis)
    return np.pad(pixels, [(-inward if a == axis else 0, 0) for a in range(2)])


def _foreshortening(image: Tensor, severity: float, seed: int) -> Tensor:
    """Make the center of the image shorter and rounder, like a ventricle that is cut obliquely."""
    del seed
    x, y = _points(image).unbind(-1)
    middle = torch.exp(-(x.square() + y.square()) / 0.25)
    return _sample(image, torch.stack([x * (1 - 0.7 * severity * middle), y * (1 + 1.2 * severity * middle)], dim=-1))


def _shadow(image: Tensor, severity: float, seed: int) -> Tensor:
    """Darken a wedge down the middle, where the septum lies in an apical view."""
    del seed
    x, y = _points(image).unbind(-1)
    width = 0.15 + 0.1 * (y + 1)
    return image * (1 - severity * torch.exp(-(((x + 0.1) / width) ** 2)))


def _off_plane(image: Tensor, severity: float, seed: int) -> Tensor:
    """Simulate a tilted plane: perspective distortion, and walls blurred as by an oblique cut."""
    del seed
    points = _points(image)
    tilted = _sample(image, torch.stack([points[..., 0] * (1 + 0.5 * severity * points[..., 1]), points[..., 1]], -1))
    oblique = torch.from_numpy(ndimage.gaussian_filter(tilted[0].numpy(), 0.04 * image.shape[2], mode="nearest"))[None]
    return tilted + 0.7 * severity * (oblique - tilted)


def _deformation(image: Tensor, severity: float, seed: int) -> Tensor:
    """Deform the frame smoothly, by up to a fifth of its width."""
    noise = np.random.default_rng(seed).standard_normal((2, *image.shape[1:]))
    smooth = np.stack([ndimage.gaussian_filter(field, 0.08 * image.shape[2]) for field in noise])
    smooth = 0.4 * smooth / np.abs(smooth).max()  # the frame has width 2 in these coordinates
    return _sample(image, _points(image) + severity * torch.from_numpy(smooth).to(image).movedim(0, -1))


def _points(image: Tensor) -> Tensor:
    height, width = image.shape[1:]
    return pixel_grid(height, width, image).view(height, width, 2)


def _sample(image: Tensor, points: Tensor) -> Tensor:
    return F.grid_sample(image[None], points[None], padding_mode="border", align_corners=False)[0]


ALL = "all"
PERTURBATIONS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "gain": _gain,
    "gamma": _gamma,
    "speckle": _speckle,
    "crop": _crop,
}
DEGRADATIONS: dict[str, Callable[[Tensor, float, int], Tensor]] = {
    "foreshortening": _foreshortening,
    "shadow": _shadow,
    "off-plane": _off_plane,
    "deformation": _deformation,
}
