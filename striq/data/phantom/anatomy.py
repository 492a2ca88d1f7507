"""What an anatomy is: structures with a shape, an echogenicity and a share in quality."""

from __future__ import annotations

from dataclasses import dataclass

from striq.data.phantom.shapes import Outline, Point, Stroke


@dataclass(frozen=True)
class Structure:
    """One anatomical structure: a shape, its echogenicity and what it counts for.

    Convention:
        - ``fill_db`` and ``wall_db`` are echogenicities; ``None`` leaves the interior or the wall unpainted.
        - ``shadow_db`` is the attenuation behind the structure.
        - ``weight`` is its share in completeness; the weights of a plane are normalized by their sum.
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
    """The structures of a plane, painted in order, its long axis and its kind of fan."""

    structures: tuple[Structure, ...]
    apex: Point
    long_axis: Point
    focus: Point
    sector: bool
