"""Variation of a plane's anatomy between subjects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from zlib import crc32

import numpy as np

from striq.data.phantom.anatomy import Anatomy, Structure
from striq.data.phantom.planes import canonical_anatomy
from striq.data.phantom.shapes import Point, Stroke


@lru_cache(maxsize=512)
def subject_anatomy(plane: str, subject: int) -> Anatomy:
    """Return the anatomy of one subject: the mean anatomy of the plane with varied shapes and levels.

    Args:
        plane: One of ``PHANTOM_PLANES``.
        subject: Seed of the variation.
    """
    mean = canonical_anatomy(plane)
    rng = np.random.default_rng([subject, crc32(plane.encode())])
    stretch = 1 + rng.uniform(-0.07, 0.07, 2)
    shear = rng.uniform(-0.06, 0.06)

    def moved(point: Point) -> Point:
        return float(stretch[0] * point[0] + shear * point[1]), float(stretch[1] * point[1])

    structures = tuple(_vary(structure, moved, stretch, rng) for structure in mean.structures)
    return replace(mean, structures=structures, apex=moved(mean.apex), focus=moved(mean.focus))


def _vary(
    structure: Structure, moved: Callable[[Point], Point], stretch: np.ndarray, rng: np.random.Generator
) -> Structure:
    dx, dy = rng.normal(0.0, 0.007, 2)
    level = rng.normal(0.0, 1.0)
    shape = structure.shape
    if isinstance(shape, Stroke):
        points = tuple((px + dx, py + dy) for px, py in map(moved, shape.points))
        shape = Stroke(points, shape.width * float(rng.uniform(0.9, 1.1)))
    else:
        size = rng.uniform(0.93, 1.07, 2) * np.sqrt(np.prod(stretch))
        cx, cy = moved(shape.center)
        shape = replace(
            shape,
            center=(cx + dx, cy + dy),
            axes=(float(shape.axes[0] * size[0]), float(shape.axes[1] * size[1])),
            angle_deg=shape.angle_deg + float(rng.normal(0.0, 2.5)),
            lobes=tuple(rng.normal(0.0, [0.025, 0.025, 0.02, 0.02]).tolist()),
        )
    fill = None if structure.fill_db is None else structure.fill_db + float(level)
    return replace(structure, shape=shape, fill_db=fill)


def landmarks(plane: str, subject: int = 0) -> dict[str, Point]:
    """Return the center of every structure of a subject as ``(x, y)`` in coordinates of the canonical anatomy.

    Args:
        plane: One of ``PHANTOM_PLANES``.
        subject: Seed of the subject's anatomy.

    Raises:
        ValueError: If the phantom has no such plane.
    """
    centers: dict[str, Point] = {}
    for structure in subject_anatomy(plane, subject).structures:
        shape = structure.shape
        x, y = np.mean(shape.points, axis=0) if isinstance(shape, Stroke) else shape.center
        centers[structure.name] = (float(x), float(y))
    return centers
