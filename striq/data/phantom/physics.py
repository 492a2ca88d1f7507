"""Image formation of the phantom: fan geometry, speckle, attenuation, shadow, log compression, scan conversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from striq.data.phantom.shapes import Array


@dataclass(frozen=True)
class Fan:
    """Geometry of beams from a virtual apex; a sector starts at the apex, a convex fan at a distance from it.

    Convention:
        - Lengths are in grid coordinates: the frame spans [-1, 1] in x (right) and y (down).
        - Polar maps have shape ``(ranges, beams)``; depth increases downward, the angle from left to right.
    """

    apex_y: float
    near: float
    far: float
    half_angle: float

    def polar_points(self, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Return the x and y grid coordinates of every sample of a polar map."""
        radius = np.linspace(self.near, self.far, shape[0], dtype=np.float32)[:, None]
        angle = np.linspace(-self.half_angle, self.half_angle, shape[1], dtype=np.float32)[None]
        return radius * np.sin(angle), np.float32(self.apex_y) + radius * np.cos(angle)

    def scan_convert(self, polar: Array, size: tuple[int, int]) -> tuple[Array, NDArray[np.bool_]]:
        """Return the frame resampled from a polar map, zero outside the fan, and the mask of the fan.

        Args:
            polar: Polar map, shape ``(ranges, beams)``.
            size: Height and width of the frame, pixels.
        """
        x = (np.arange(size[1], dtype=np.float32) * 2 + 1) / np.float32(size[1]) - 1
        y = (np.arange(size[0], dtype=np.float32) * 2 + 1) / np.float32(size[0]) - 1 - np.float32(self.apex_y)
        radius, angle = np.hypot(x[None], y[:, None]), np.arctan2(x[None], y[:, None])
        rows = (radius - np.float32(self.near)) * np.float32((polar.shape[0] - 1) / (self.far - self.near))
        columns = (angle + np.float32(self.half_angle)) * np.float32((polar.shape[1] - 1) / (2 * self.half_angle))
        mask = (radius >= self.near) & (radius <= self.far) & (np.abs(angle) <= self.half_angle)
        frame = np.zeros(size, dtype=np.float32)
        frame[mask] = map_coordinates(polar, [rows[mask], columns[mask]], order=1, mode="nearest")
        return frame, mask


SECTOR = Fan(apex_y=-0.97, near=0.02, far=1.9, half_angle=0.72)
CONVEX = Fan(apex_y=-1.55, near=0.62, far=2.48, half_angle=0.5)


def scatterers(shape: tuple[int, int], seed: int, phase: float = 0.0) -> NDArray[np.complex64]:
    """Return a field of complex Gaussian scatterers of unit power.

    Args:
        shape: Ranges and beams.
        seed: Seed of the random numbers.
        phase: Changes the field continuously; fields one unit apart are independent.
    """
    index = int(np.floor(phase))
    turn = np.float32(np.pi / 2 * (phase - index))
    field = np.cos(turn) * _gaussian_field(shape, seed, index)
    if turn:
        field = field + np.sin(turn) * _gaussian_field(shape, seed, index + 1)
    return field


def _gaussian_field(shape: tuple[int, int], seed: int, index: int) -> NDArray[np.complex64]:
    pairs = np.random.default_rng([seed, index]).standard_normal((*shape, 2), dtype=np.float32)
    return pairs.view(np.complex64)[..., 0] * np.float32(np.sqrt(0.5))


def envelope(amplitude: Array, field: NDArray[np.complex64], spread: tuple[float, float]) -> Array:
    """Return the echo envelope of scatterers blurred by a Gaussian point-spread function.

    Convention:
        - An amplitude of 1 gives a mean power of 1.

    Args:
        amplitude: Local echo amplitude, polar, shape ``(ranges, beams)``.
        field: Complex scatterers of the same shape.
        spread: Axial and lateral standard deviation of the point-spread function, samples.
    """
    echo = field * amplitude
    real = gaussian_filter(echo.real, spread, mode="reflect", truncate=3.0)
    imaginary = gaussian_filter(echo.imag, spread, mode="reflect", truncate=3.0)
    power = 1 / (4 * np.pi * spread[0] * spread[1])  # sum of the squared Gaussian kernel
    return (np.hypot(real, imaginary) / np.float32(np.sqrt(power))).astype(np.float32, copy=False)


def shadow_behind(opacity_db: Array) -> Array:
    """Return the attenuation in dB that structures cause in deeper samples of the same beam."""
    smooth = gaussian_filter(opacity_db, (0.0, 1.0), mode="nearest")
    return (np.maximum.accumulate(smooth, axis=0) - smooth).astype(np.float32, copy=False)


def compress(signal: Array, *, dynamic_range_db: float, reference_db: float, gain: float) -> Array:
    """Return log-compressed display values in [0, 1].

    Args:
        signal: Echo envelope.
        dynamic_range_db: Range of levels between black and white.
        reference_db: Level displayed as white at a gain of 1.
        gain: Factor on the display values.
    """
    level = 20 * np.log10(np.maximum(signal, np.float32(1e-6))) - np.float32(reference_db)
    displayed = (1 + level / np.float32(dynamic_range_db)) * np.float32(gain)
    return np.clip(displayed, np.float32(0), np.float32(1)).astype(np.float32, copy=False)
