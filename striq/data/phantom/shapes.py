"""Analytic shapes of the phantom, closed outlines and open strokes, and their distance to given points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float]

_TINY = 1e-6  # prevents a division by zero at the exact center of a shape


@dataclass(frozen=True)
class Outline:
    """A closed shape: an ellipse, optionally bent like a bean, with lobes, or with a radial profile.

    Convention:
        - Lengths are in grid coordinates: the frame spans [-1, 1] in x (right) and y (down).
        - ``axes`` are the semi-axes before rotation by ``angle_deg`` (clockwise as displayed).
        - ``lobes`` are relative amplitudes: cosine and sine of two, then of three periods around the outline.
        - ``profile`` lists ``(angle_deg, relative radius)`` around the center, angles ascending.
    """

    center: Point
    axes: Point
    angle_deg: float = 0.0
    bend: float = 0.0
    lobes: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    profile: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Stroke:
    """An open curve through ``points``, drawn with half-width ``width``."""

    points: tuple[Point, ...]
    width: float


def outline_distance(outline: Outline, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Return the signed distance of points to an outline (negative inside), and their direction from its center.

    The distance is a first-order approximation, which is accurate near the outline.

    Returns:
        Distance, and cosine and sine of the angle around the center, each of the shape of ``x``.
    """
    angle = np.deg2rad(outline.angle_deg)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dx, dy = x - np.float32(outline.center[0]), y - np.float32(outline.center[1])
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    if outline.bend:
        across = across - np.float32(outline.bend) * along * along
    u, v = along / np.float32(outline.axes[0]), across / np.float32(outline.axes[1])
    rho = np.sqrt(u * u + v * v) + np.float32(_TINY)
    cu, cv = u / rho, v / rho
    gradient = np.hypot(cu / np.float32(outline.axes[0]), cv / np.float32(outline.axes[1])) + np.float32(_TINY)
    return (rho - _relative_radius(outline, cu, cv)) / gradient, cu, cv


def _relative_radius(outline: Outline, cu: Array, cv: Array) -> Array:
    c2, s2, c3, s3 = (np.float32(value) for value in outline.lobes)
    radius = 1 + c2 * (cu * cu - cv * cv) + 2 * s2 * cu * cv
    radius += c3 * cu * (4 * cu * cu - 3) + s3 * cv * (3 - 4 * cv * cv)
    if outline.profile:
        angles, factors = zip(*outline.profile, strict=True)
        radius *= np.interp(np.rad2deg(np.arctan2(cv, cu)), angles, factors, period=360.0).astype(np.float32)
    return radius


def stroke_distance(stroke: Stroke, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the distance of points to a stroke's center line, and the nearest position along it in [0, 1]."""
    count = len(stroke.points) - 1
    nearest = np.full_like(x, np.inf)
    position = np.zeros_like(x)
    for index in range(count):
        (x0, y0), (x1, y1) = stroke.points[index : index + 2]
        ex, ey = np.float32(x1 - x0), np.float32(y1 - y0)
        dx, dy = x - np.float32(x0), y - np.float32(y0)
        t = np.clip((dx * ex + dy * ey) / (ex * ex + ey * ey), 0.0, 1.0)
        squared = (dx - t * ex) ** 2 + (dy - t * ey) ** 2
        closer = squared < nearest
        nearest = np.where(closer, squared, nearest)
        position = np.where(closer, (index + t) / np.float32(count), position)
    return np.sqrt(nearest), position


def coverage(distance: Array, softness: float) -> Array:
    """Return the coverage at a signed distance: 1 inside, 0 outside, with a smooth step over ``±softness``."""
    ramp = np.clip(0.5 - distance / np.float32(2 * softness), np.float32(0), np.float32(1))
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32, copy=False)
