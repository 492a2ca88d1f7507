"""Description of an anatomy: structures with a shape, an echogenicity and a weight in quality."""

from __future__ import annotations

from dataclasses import dataclass

from striq.data.phantom.shapes import Outline, Point, Stroke


@dataclass(frozen=True)
class Structure:
    """One anatomical structure: a shape, its echogenicity and its weight in quality.

    Convention:
        - ``fill_db`` and ``wall_db`` are echogenicities; with ``None``, the interior or the wall is not painted.
        - ``shadow_db`` is the attenuation behind the structure.
        - ``weight`` is the weight in completeness; the weights of a plane are normalized by their sum.
    """

    name: str
    shape: Outline | Stroke
    weight: float
    fill_db: float | None = None
    wall_db: float | None = None
    wall_width: float = 0.03
    shadow_db: float = 0.0


@dataclass(frozen=True)
class Anatomy:
    """The anatomy of a plane.

    Attributes:
        structures: Structures in the order in which they are painted.
        apex: Point from which foreshortening compresses the anatomy.
        long_axis: Unit vector of the direction in which it compresses.
        focus: Point that a simulated shadow covers.
        sector: Whether the fan is a sector; otherwise it is convex.
    """

    structures: tuple[Structure, ...]
    apex: Point
    long_axis: Point
    focus: Point
    sector: bool
