"""Echogenicity of a phantom frame at given points: the anatomy of a subject with all defects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from striq.data.phantom.anatomy import Anatomy, Structure
from striq.data.phantom.parameters import PhantomParameters, ideal_presence
from striq.data.phantom.shapes import Array, Outline, Stroke, coverage, outline_distance, stroke_distance
from striq.data.phantom.subjects import subject_anatomy

FLOOR_DB = -26.0  # of fluid; lower levels cannot be distinguished from noise
BACKGROUND_DB = -4.0
_SHARP = 0.012  # half-width of a contour in the plane, about 1.5 pixels of 256
_NUM_DISTRACTORS = 6
CLEARLY = 0.5  # opacity from which a structure counts as shown


@dataclass(frozen=True)
class _Brush:
    """A structure and how it appears in the frame.

    Attributes:
        structure: Structure to paint.
        presence: Share of its contour that is present.
        visible: Opacity of the whole structure.
        softness: Half-width of its contour.
        gap: Angle at which the contour opens when presence falls.
    """

    structure: Structure
    presence: float
    visible: float
    softness: float
    gap: float = 0.0


def paint(parameters: PhantomParameters, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the echogenicity of a frame at given points.

    Args:
        parameters: Description of the frame.
        x: Horizontal grid coordinates in the frame, shape ``(ranges, beams)``.
        y: Vertical grid coordinates, same shape.

    Returns:
        Echogenicity in dB relative to parenchyma, and the attenuation in dB of everything behind the point, each of
        the shape of ``x``.
    """
    anatomy = subject_anatomy(parameters.plane, parameters.subject)
    rng = np.random.default_rng(parameters.defect_seed)
    (a, b, tx), (c, d, ty) = parameters.transform
    px, py = _lengthen(anatomy, parameters.foreshortening, a * x + b * y + tx, c * x + d * y + ty)
    echo = np.full_like(x, BACKGROUND_DB)
    opacity = np.zeros_like(x)
    visible = (1 - parameters.off_plane) ** 0.7
    distractors_visible = 1 - parameters.completeness * (1 - parameters.off_plane)
    softness = _SHARP * (1 + 5 * parameters.off_plane)
    for structure, presence in zip(anatomy.structures, parameters.presence, strict=True):
        displaced = _off_plane(structure, parameters.off_plane, rng)
        _add(echo, opacity, _Brush(displaced, presence, visible, softness, rng.uniform(0, 2 * np.pi)), px, py)
    for distractor in _distractors(rng):
        _add(echo, opacity, _Brush(distractor, 1.0, distractors_visible, 2 * _SHARP), px, py)
    return echo, opacity


def structure_boxes(parameters: PhantomParameters, size: tuple[int, int]) -> dict[str, tuple[int, int, int, int]]:
    """Return the boxes of the structures that a frame shows clearly: top, left, bottom, right in pixels, by name.

    Args:
        parameters: Description of the frame.
        size: Rows and columns of the frame.
    """
    anatomy = subject_anatomy(parameters.plane, parameters.subject)
    rng = np.random.default_rng(parameters.defect_seed)
    rows, columns = (((np.arange(count) + 0.5) * 2 / count - 1).astype(np.float32) for count in size)
    x, y = np.meshgrid(columns, rows)
    (a, b, tx), (c, d, ty) = parameters.transform
    px, py = _lengthen(anatomy, parameters.foreshortening, a * x + b * y + tx, c * x + d * y + ty)
    found: dict[str, tuple[int, int, int, int]] = {}
    for structure, presence in zip(anatomy.structures, parameters.presence, strict=True):
        displaced = _off_plane(structure, parameters.off_plane, rng)
        rng.uniform(0, 2 * np.pi)  # the gap, drawn as in :func:`paint`
        inside = _distance(displaced, px, py) < structure.wall_width
        strength = presence**0.6 * (1 - parameters.off_plane) ** 0.7
        if strength >= CLEARLY and inside.any():
            (high, low), (left, right) = (np.flatnonzero(inside.any(axis=axis))[[0, -1]].tolist() for axis in (1, 0))
            found[structure.name] = (high, left, low + 1, right + 1)
    return found


def _distance(structure: Structure, x: Array, y: Array) -> Array:
    """Return the signed distance of points to a structure, negative inside."""
    if isinstance(structure.shape, Stroke):
        return stroke_distance(structure.shape, x, y)[0] - np.float32(structure.shape.width)
    return outline_distance(structure.shape, x, y)[0]


def _lengthen(anatomy: Anatomy, foreshortening: float, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the points stretched along the long axis away from the apex, which compresses the anatomy there."""
    if foreshortening == 0.0:
        return x, y
    extra = np.float32(1 / (1 - 0.5 * foreshortening) - 1)  # complete foreshortening halves the long axis
    (ax, ay), (ux, uy) = anatomy.apex, anatomy.long_axis
    along = (x - np.float32(ax)) * np.float32(ux) + (y - np.float32(ay)) * np.float32(uy)
    along = np.maximum(along, 0) * extra
    return x + along * np.float32(ux), y + along * np.float32(uy)


def _off_plane(structure: Structure, amount: float, rng: np.random.Generator) -> Structure:
    """Return the cross-section of a structure at a distance from the plane: smaller, displaced and rotated."""
    shrink = 1 - amount * rng.uniform(0.15, 0.6)
    dx, dy = amount * rng.uniform(-0.16, 0.16, 2)
    turn = amount * rng.uniform(-40.0, 40.0)
    shape = structure.shape
    if isinstance(shape, Outline):
        center = (shape.center[0] + dx, shape.center[1] + dy)
        axes = (shape.axes[0] * shrink, shape.axes[1] * shrink)
        return replace(structure, shape=replace(shape, center=center, axes=axes, angle_deg=shape.angle_deg + turn))
    mx, my = np.mean(shape.points, axis=0)
    points = tuple((mx + (px - mx) * shrink + dx, my + (py - my) * shrink + dy) for px, py in shape.points)
    return replace(structure, shape=Stroke(points, shape.width))


def _distractors(rng: np.random.Generator) -> list[Structure]:
    """Return structures that belong to no plane and replace missing structures."""
    distractors: list[Structure] = []
    for _ in range(_NUM_DISTRACTORS):
        radius, angle = 0.75 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        center = (float(radius * np.cos(angle)), float(radius * np.sin(angle)))
        shape = Outline(
            center, tuple(rng.uniform(0.06, 0.3, 2).tolist()), rng.uniform(0, 180), lobes=tuple(rng.normal(0, 0.08, 4))
        )
        fill = float(rng.choice([-24.0, -14.0, -6.0, 5.0]))
        distractors.append(Structure("distractor", shape, 0.0, fill, float(rng.uniform(4, 12)), 0.025, 0.0))
    return distractors


def _add(echo: Array, opacity: Array, brush: _Brush, x: Array, y: Array) -> None:
    """Paint one structure over ``echo`` and ``opacity`` in place."""
    structure = brush.structure
    strength = np.float32(brush.presence**0.6 * brush.visible)
    box = _bounding_box(structure, x, y, 3 * (structure.wall_width + brush.softness))
    if strength < 0.02 or box is None:
        return
    echo, opacity, x, y = echo[box], opacity[box], x[box], y[box]
    if isinstance(structure.shape, Stroke):
        distance, position = stroke_distance(structure.shape, x, y)
        distance = distance - np.float32(structure.shape.width)
        wall_presence = _presence(np.cos(np.float32(np.pi) * position + np.float32(brush.gap)), brush.presence)
        fill_presence = wall_presence
    else:
        distance, cos, sin = outline_distance(structure.shape, x, y)
        wave = cos * np.float32(np.cos(brush.gap)) + sin * np.float32(np.sin(brush.gap))
        wall_presence = _presence(wave, brush.presence)
        fill_presence = np.float32(1.0)
    if structure.fill_db is not None:
        alpha = coverage(distance, brush.softness) * strength * fill_presence
        echo += alpha * (np.float32(structure.fill_db) - echo)
        np.maximum(opacity, alpha * np.float32(structure.shadow_db), out=opacity)
    if structure.wall_db is not None:
        width = np.float32(structure.wall_width + brush.softness - _SHARP)
        alpha = np.exp(-((distance / width) ** 2)) * wall_presence * strength
        echo += alpha * (np.float32(structure.wall_db) - echo)


def _bounding_box(structure: Structure, x: Array, y: Array, margin: float) -> tuple[slice, slice] | None:
    """Return the rows and columns that a structure can cover; evaluating only those makes painting fast."""
    shape = structure.shape
    if isinstance(shape, Stroke):
        center = np.mean(shape.points, axis=0)
        radius = float(np.max(np.hypot(*(np.asarray(shape.points) - center).T))) + shape.width
    else:
        center = np.asarray(shape.center)
        radius = 1.3 * max(shape.axes) + abs(shape.bend) * shape.axes[0] ** 2
    dx, dy = x - np.float32(center[0]), y - np.float32(center[1])
    near = dx * dx + dy * dy < np.float32((radius + margin) ** 2)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if not len(rows):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _presence(wave: Array, presence: float) -> Array | np.float32:
    """Return the presence along a contour in [0, 1]; a gap opens where ``wave`` is low and grows as presence falls."""
    if presence >= 1.0:
        return np.float32(1.0)
    level = np.float32(1 - 2 * presence)  # at presence 0.5, half of the range of the wave lies above the level
    ramp = np.clip((wave - level) / np.float32(0.4) + np.float32(presence), np.float32(0), np.float32(1))
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32, copy=False)


@lru_cache(maxsize=32)
def ideal_moments(plane: str) -> tuple[float, float]:
    """Return mean and standard deviation in dB of a plane's complete mean anatomy in the center of the frame."""
    axis = np.linspace(-0.85, 0.85, 96, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    echo, _ = paint(PhantomParameters(plane, presence=ideal_presence(plane)), x, y)
    return float(echo.mean()), float(echo.std())
