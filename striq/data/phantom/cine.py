"""Synthetic cine: a sweep of the probe through a plane."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from striq.data.phantom.parameters import PhantomParameters, ideal_presence, sample_parameters
from striq.data.phantom.phantom import PhantomFrames

_MAX_OFF_PLANE = 0.9  # off-plane amount at both ends of the sweep
_DECORRELATION = 0.12  # speckle phase per frame: similar in neighboring frames, independent ten frames apart


def make_phantom_cine(
    plane: str, num_frames: int, seed: int = 0, *, size: tuple[int, int] = (256, 256)
) -> PhantomFrames:
    """Return a sweep through the ideal plane. Quality rises, then falls; pose and speckle change slowly.

    Args:
        plane: One of ``PHANTOM_PLANES``.
        num_frames: Number of frames; the middle one shows the ideal plane.
        seed: Seed of subject, pose and speckle.
        size: Height and width, pixels.

    Raises:
        ValueError: If the plane is unknown, ``num_frames`` is below 1 or the seed is negative.
    """
    if num_frames < 1:
        msg = f"'num_frames' must be at least 1, got {num_frames}."
        raise ValueError(msg)
    if seed < 0:
        msg = f"'seed' must be 0 or more, got {seed}."
        raise ValueError(msg)
    generator = np.random.default_rng([seed, *plane.encode()])
    start = sample_parameters(plane, generator=generator, quality=1.0, subject=seed)
    drift = generator.uniform(-1.0, 1.0, 3)
    positions = np.linspace(-1.0, 1.0, num_frames) if num_frames > 1 else np.zeros(1)
    frames = [_at(start, float(position), index, drift) for index, position in enumerate(positions)]
    return PhantomFrames(frames, size)


def _at(start: PhantomParameters, position: float, index: int, drift: np.ndarray) -> PhantomParameters:
    """Return the parameters of frame ``index`` at a probe position from -1 to 1; 0 is the ideal plane."""
    x, y = start.translation
    return replace(
        start,
        presence=ideal_presence(start.plane),
        off_plane=_MAX_OFF_PLANE * math.sin(math.pi / 2 * position) ** 2,
        rotation_deg=0.6 * start.rotation_deg + 5.0 * drift[0] * position,
        translation=(0.6 * x + 0.025 * drift[1] * position, 0.6 * y + 0.025 * drift[2] * position),
        speckle_phase=index * _DECORRELATION,
    )
