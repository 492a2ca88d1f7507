"""Canonical anatomy of the six phantom planes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from striq.data.phantom.anatomy import Anatomy, Structure
from striq.data.phantom.shapes import Outline, Point, Stroke
from striq.errors import DatasetError

# Echogenicity in dB relative to parenchyma, chosen to resemble B-mode at a dynamic range of 60 dB: fluid near the
# noise floor, walls clearly above tissue, bone close to saturation.
FLUID, DARK, TISSUE, BRIGHT, WALL, BONE = -26.0, -8.0, 0.0, 4.0, 10.0, 17.0


def _chamber(name: str, weight: float, center: Point, axes: Point, angle_deg: float = 0.0) -> Structure:
    return Structure(name, Outline(center, axes, angle_deg), weight, fill_db=FLUID, wall_db=7.0, wall_width=0.035)


def _bone(name: str, weight: float, *points: Point, width: float = 0.022, shadow_db: float = 14.0) -> Structure:
    return Structure(name, Stroke(points, width), weight, fill_db=BONE, shadow_db=shadow_db)


def _line(name: str, weight: float, *points: Point, width: float = 0.016, level_db: float = WALL) -> Structure:
    return Structure(name, Stroke(points, width), weight, fill_db=level_db)


def _vessel(name: str, weight: float, center: Point, radius: float) -> Structure:
    return Structure(name, Outline(center, (radius, radius)), weight, fill_db=FLUID, wall_db=7.0, wall_width=0.018)


def _body(weight: float, axes: Point, fill_db: float) -> Structure:
    return Structure("body", Outline((0.0, 0.02), axes), weight, fill_db=fill_db, wall_db=WALL, wall_width=0.028)


def _kidney(side: str, sign: float) -> tuple[Structure, ...]:
    center, angle = (0.31 * sign, 0.02), 90.0 - 8.0 * sign
    bean = Outline(center, (0.32, 0.18), angle, bend=0.75 * sign)
    sinus = Outline((0.285 * sign, 0.02), (0.2, 0.07), angle, bend=0.75 * sign)
    pelvis = Outline((0.265 * sign, 0.02), (0.1, 0.042), angle, bend=0.75 * sign)
    return (
        Structure(f"{side}_kidney", bean, 3.0, fill_db=-12.0, wall_db=9.0, wall_width=0.02),
        Structure(f"{side}_sinus", sinus, 1.0, fill_db=8.0),
        Structure(f"{side}_pelvis", pelvis, 1.0, fill_db=FLUID),
    )


_ABDOMEN = Anatomy(
    structures=(
        _body(3.0, (0.64, 0.58), TISSUE),
        Structure("stomach", Outline((0.28, -0.02), (0.17, 0.11), 25.0), 3.0, FLUID, 6.0, 0.022),
        _line("vein_wall", 1.0, (-0.03, -0.4), (-0.03, -0.2), (-0.08, -0.07), (-0.2, 0.02), width=0.06, level_db=8.0),
        _line("vein", 2.0, (-0.03, -0.42), (-0.03, -0.2), (-0.08, -0.07), (-0.2, 0.02), width=0.036, level_db=FLUID),
        _vessel("aorta", 1.0, (0.08, 0.27), 0.05),
        _vessel("cava", 0.7, (-0.14, 0.22), 0.042),
        _bone("spine_body", 1.5, (-0.035, 0.42), (0.035, 0.42), width=0.045),
        _bone("spine_left", 0.6, (-0.11, 0.51), (-0.09, 0.53), width=0.026),
        _bone("spine_right", 0.6, (0.11, 0.51), (0.09, 0.53), width=0.026),
        _bone("rib_left", 0.5, (-0.56, 0.12), (-0.52, 0.24), (-0.44, 0.34), width=0.018),
        _bone("rib_right", 0.5, (0.56, 0.12), (0.52, 0.24), (0.44, 0.34), width=0.018),
    ),
    apex=(0.0, -0.5), long_axis=(0.0, 1.0), focus=(0.05, 0.0), sector=False,
)  # fmt: skip

_FOUR_CHAMBER = Anatomy(
    structures=(
        _body(2.0, (0.68, 0.63), BRIGHT),
        Structure("heart", Outline((0.07, -0.08), (0.45, 0.335), -45.0), 1.5, -4.0, 9.0, 0.024),
        _chamber("left_ventricle", 2.0, (0.265, -0.155), (0.19, 0.098), -45.0),
        _chamber("right_ventricle", 2.0, (0.11, -0.31), (0.18, 0.098), -45.0),
        _chamber("left_atrium", 1.5, (0.025, 0.105), (0.112, 0.105), -45.0),
        _chamber("right_atrium", 1.5, (-0.155, -0.07), (0.117, 0.11), -45.0),
        _line("septum", 1.5, (-0.12, 0.08), (-0.03, -0.01), (0.13, -0.17), (0.34, -0.38), width=0.02, level_db=10.0),
        _line("mitral_valve", 0.7, (0.19, 0.07), (0.12, 0.02), (0.05, -0.07)),
        _line("tricuspid_valve", 0.7, (0.02, -0.1), (-0.04, -0.16), (-0.1, -0.24)),
        _vessel("aorta", 1.0, (-0.13, 0.3), 0.055),
        _bone("spine_body", 1.2, (-0.2, 0.45), (-0.13, 0.47), width=0.042),
        _bone("spine_left", 0.5, (-0.3, 0.51), (-0.28, 0.53), width=0.024),
        _bone("spine_right", 0.5, (-0.09, 0.58), (-0.07, 0.58), width=0.024),
        _bone("rib_left", 0.4, (-0.62, -0.02), (-0.6, 0.13), (-0.55, 0.27), width=0.018),
        _bone("rib_right", 0.4, (0.62, 0.06), (0.57, 0.22), (0.48, 0.38), width=0.018),
    ),
    apex=(0.39, -0.4), long_axis=(-0.7071, 0.7071), focus=(0.07, -0.08), sector=False,
)  # fmt: skip

_KIDNEY = Anatomy(
    structures=(
        _body(2.0, (0.68, 0.6), TISSUE),
        *_kidney("left", -1.0),
        *_kidney("right", 1.0),
        _bone("spine_upper", 0.8, (-0.01, -0.3), (0.0, -0.22), width=0.038),
        _bone("spine_middle", 0.8, (0.0, -0.06), (0.0, 0.02), width=0.038),
        _bone("spine_lower", 0.8, (0.0, 0.18), (-0.01, 0.26), width=0.038),
    ),
    apex=(0.0, -0.45), long_axis=(0.0, 1.0), focus=(0.1, 0.0), sector=False,
)  # fmt: skip


def _smooth_profile(corners: Sequence[Point], step_deg: float = 1.0, blur_deg: float = 2.0) -> tuple[Point, ...]:
    """Return a profile, given as ``(angle_deg, relative radius)``, with rounded corners."""
    angles = np.arange(-180.0, 180.0, step_deg)
    corner_angles, corner_radii = zip(*corners, strict=True)
    radii = np.interp(angles, corner_angles, corner_radii, period=360.0)
    rounded = gaussian_filter1d(radii, blur_deg / step_deg, mode="wrap")
    return tuple(zip(angles.tolist(), rounded.tolist(), strict=True))


# Relative radius of the facial profile around the center of the head; -90 degrees is up, toward the transducer.
_PROFILE_CORNERS = (
    (-180.0, 1.0), (-150.0, 1.02), (-128.0, 1.03), (-114.0, 0.99), (-107.0, 0.93), (-101.0, 1.04), (-94.0, 1.25),
    (-90.0, 1.26), (-87.0, 1.06), (-83.0, 1.02), (-78.0, 1.16), (-73.5, 1.0), (-69.0, 1.15), (-63.0, 0.99),
    (-58.0, 1.06), (-51.0, 1.12), (-44.0, 1.04), (-36.0, 0.86), (-15.0, 0.78), (20.0, 0.85), (90.0, 1.0),
)  # fmt: skip

_PROFILE = _smooth_profile(_PROFILE_CORNERS)

_FACE = Anatomy(
    structures=(
        Structure("fluid", Outline((0.02, -0.32), (0.8, 0.34), 4.0), 1.5, fill_db=FLUID),
        Structure("profile", Outline((0.0, 0.3), (0.66, 0.52), 6.0, profile=_PROFILE), 4.0, TISSUE, 9.0, 0.024),
        Structure("brain", Outline((-0.32, 0.3), (0.25, 0.26), 0.0), 1.0, fill_db=-10.0),
        _bone("frontal_bone", 2.0, (-0.58, 0.12), (-0.5, -0.04), (-0.36, -0.13), (-0.22, -0.15), shadow_db=7.0),
        _bone("nasal_bone", 1.5, (-0.13, -0.17), (-0.04, -0.24), width=0.02, shadow_db=7.0),
        _bone("maxilla", 1.5, (0.02, -0.05), (0.12, -0.08), (0.17, -0.06), width=0.024, shadow_db=7.0),
        _line("palate", 0.7, (0.0, 0.05), (0.1, 0.08), (0.18, 0.1), width=0.014, level_db=8.0),
        _bone("mandible", 1.5, (0.26, 0.02), (0.33, 0.0), (0.38, 0.04), width=0.022, shadow_db=7.0),
        Structure("tongue", Outline((0.18, 0.17), (0.13, 0.07), 15.0), 0.8, fill_db=DARK),
    ),
    apex=(0.0, 0.5), long_axis=(0.0, -1.0), focus=(0.0, -0.05), sector=False,
)  # fmt: skip

_A4C = Anatomy(
    structures=(
        Structure("myocardium", Outline((0.0, 0.05), (0.53, 0.8)), 1.5, 1.0, 8.0, 0.028),
        _chamber("left_ventricle", 2.5, (0.215, -0.17), (0.19, 0.41), -6.0),
        _chamber("right_ventricle", 2.0, (-0.21, -0.07), (0.16, 0.32), 8.0),
        _chamber("left_atrium", 2.0, (0.215, 0.52), (0.195, 0.19)),
        _chamber("right_atrium", 1.5, (-0.21, 0.51), (0.185, 0.185)),
        _line("septum", 1.5, (0.02, -0.42), (0.0, -0.1), (0.0, 0.26), width=0.034, level_db=6.0),
        _line("atrial_septum", 0.8, (0.0, 0.28), (0.005, 0.5), (0.0, 0.68), width=0.016, level_db=7.0),
        _line("mitral_valve", 1.0, (0.03, 0.27), (0.13, 0.34), (0.21, 0.25), (0.29, 0.34), (0.39, 0.27), width=0.015),
        _line("tricuspid", 0.8, (-0.03, 0.29), (-0.11, 0.35), (-0.2, 0.28), (-0.28, 0.35), (-0.38, 0.28), width=0.015),
    ),
    apex=(0.0, -0.68), long_axis=(0.0, 1.0), focus=(0.02, 0.1), sector=True,
)  # fmt: skip

_A2C = Anatomy(
    structures=(
        Structure("myocardium", Outline((0.0, -0.02), (0.36, 0.66)), 1.5, 2.0, 8.0, 0.028),
        _chamber("left_ventricle", 3.0, (0.0, -0.15), (0.21, 0.43), -3.0),
        _chamber("left_atrium", 2.5, (0.03, 0.52), (0.25, 0.2), 5.0),
        _line("anterior_leaflet", 1.0, (-0.24, 0.29), (-0.12, 0.36), (0.0, 0.28), width=0.015),
        _line("posterior_leaflet", 1.0, (0.02, 0.28), (0.12, 0.36), (0.25, 0.29), width=0.015),
        Structure("coronary_sinus", Outline((0.33, 0.34), (0.045, 0.05)), 0.6, FLUID, 5.0, 0.018),
        _line("pericardium", 1.0, (-0.4, -0.2), (-0.42, 0.1), (-0.38, 0.36), width=0.022, level_db=13.0),
    ),
    apex=(0.0, -0.64), long_axis=(0.0, 1.0), focus=(0.0, 0.1), sector=True,
)  # fmt: skip

ANATOMIES = {
    "abdomen": _ABDOMEN,
    "four_chamber": _FOUR_CHAMBER,
    "kidney": _KIDNEY,
    "face": _FACE,
    "a2c": _A2C,
    "a4c": _A4C,
}
PHANTOM_PLANES = tuple(ANATOMIES)
SYNTHETIC = "synthetic_"  # prefix of a phantom plane's name in models that know real planes as well


def drawable_planes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of planes that the phantom can render, with or without the prefix ``SYNTHETIC``."""
    return tuple(name for name in names if name.removeprefix(SYNTHETIC) in ANATOMIES)


def planes_to_draw(known: Sequence[str]) -> tuple[str, ...]:
    """Return those planes of a model of which the phantom can draw frames, in place of a data set.

    Raises:
        DatasetError: If there is none.
    """
    drawn = drawable_planes(known)
    if not drawn:
        msg = f"The phantom draws none of the model's planes ({', '.join(known)}). Name a data set with frames of them."
        raise DatasetError(msg)
    return drawn


def canonical_anatomy(plane: str) -> Anatomy:
    """Return the mean anatomy of a plane.

    Raises:
        ValueError: If the phantom has no such plane.
    """
    if plane not in ANATOMIES:
        msg = f"The phantom has no plane {plane!r}; choose one of: {', '.join(PHANTOM_PLANES)}."
        raise ValueError(msg)
    return ANATOMIES[plane]
