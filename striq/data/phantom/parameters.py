"""Parameters of a phantom frame: everything random about it, how it is drawn, and the quality that follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.phantom.planes import canonical_anatomy

# Share of quality lost to a cause at its maximum. A frame without structures or far off the plane has quality zero;
# a fully foreshortened or shadowed frame still shows part of the plane.
FORESHORTENING_COST = 0.6
SHADOW_COST = 0.7

_MAX_SEED = 2**31
# Below this quality, shadow and foreshortening do not increase further; otherwise all frames of low quality were dark.
_MIN_SHARED_QUALITY = 0.1


@dataclass(frozen=True)
class PhantomParameters:
    """Complete description of one frame; rendering it again gives the same pixels.

    Convention:
        - ``presence`` has one value per structure of the plane, from 0 (absent) to 1 (complete).
        - ``foreshortening``, ``off_plane`` and ``shadow`` range from 0 (none) to 1 (complete).
        - The pose transforms the anatomy by scale, then rotation (clockwise as displayed), then translation in
          fractions of the frame's width and height.
        - ``speckle_phase`` changes the speckle continuously; patterns one unit apart are independent.
    """

    plane: str
    presence: tuple[float, ...]
    subject: int = 0
    foreshortening: float = 0.0
    off_plane: float = 0.0
    shadow: float = 0.0
    defect_seed: int = 0
    rotation_deg: float = 0.0
    translation: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    gain: float = 1.0
    dynamic_range_db: float = 58.0
    tgc_tilt_db: float = 0.0
    point_spread: float = 1.0
    noise_db: float = -30.0
    fan_opening: float = 1.0
    speckle_seed: int = 0
    speckle_phase: float = 0.0

    def __post_init__(self) -> None:
        expected = len(canonical_anatomy(self.plane).structures)
        if len(self.presence) != expected:
            msg = f"'presence' of plane {self.plane!r} must have {expected} values, got {len(self.presence)}."
            raise ValueError(msg)
        fractions = {"foreshortening": self.foreshortening, "off_plane": self.off_plane, "shadow": self.shadow}
        fractions.update({f"presence[{index}]": value for index, value in enumerate(self.presence)})
        for name, value in fractions.items():
            if not 0.0 <= value <= 1.0:
                msg = f"'{name}' must lie in [0, 1], got {value}."
                raise ValueError(msg)
        for name in ("scale", "gain", "dynamic_range_db", "point_spread", "fan_opening"):
            if not getattr(self, name) > 0.0:
                msg = f"'{name}' must be positive, got {getattr(self, name)}."
                raise ValueError(msg)

    @property
    def completeness(self) -> float:
        """Weighted mean presence of the plane's structures, in [0, 1]."""
        return float(np.dot(structure_weights(self.plane), self.presence))

    @property
    def quality(self) -> float:
        """Known quality in [0, 1]: completeness, reduced by foreshortening, off-plane position and shadow."""
        factor = (1 - FORESHORTENING_COST * self.foreshortening) * (1 - self.off_plane)
        factor *= 1 - SHADOW_COST * self.shadow
        return min(1.0, max(0.0, self.completeness * factor))

    @property
    def transform(self) -> NDArray[np.float32]:
        """The pose as a 2x3 pull-back from coordinates of the frame to those of the canonical anatomy."""
        angle = math.radians(self.rotation_deg)
        cos, sin = math.cos(angle) / self.scale, math.sin(angle) / self.scale
        linear = np.array([[cos, sin], [-sin, cos]])
        shift = -linear @ (2.0 * np.asarray(self.translation))  # the frame has width 2 in grid coordinates
        return np.column_stack([linear, shift]).astype(np.float32)


def structure_weights(plane: str) -> NDArray[np.float64]:
    """Return the weight of each structure in completeness; the weights sum to one."""
    weights = np.array([structure.weight for structure in canonical_anatomy(plane).structures])
    return weights / weights.sum()


def ideal_presence(plane: str) -> tuple[float, ...]:
    """Return presence values with every structure of the plane complete."""
    return (1.0,) * len(canonical_anatomy(plane).structures)


def sample_parameters(
    plane: str, *, generator: np.random.Generator, quality: float | None = None, subject: int = 0
) -> PhantomParameters:
    """Draw the parameters of one frame: structural causes that result in ``quality``, and independent nuisances.

    Args:
        plane: One of ``PHANTOM_PLANES``.
        generator: Source of all random numbers.
        quality: Quality of the frame in [0, 1]; drawn uniformly if ``None``.
        subject: Seed of the subject's anatomy, which all frames of a subject share.

    Raises:
        ValueError: If the plane is unknown, ``quality`` is outside [0, 1] or ``subject`` is negative.
    """
    canonical_anatomy(plane)
    if subject < 0:
        msg = f"'subject' must be 0 or more, got {subject}."
        raise ValueError(msg)
    drawn = float(generator.uniform()) if quality is None else float(quality)
    if not 0.0 <= drawn <= 1.0:
        msg = f"'quality' must lie in [0, 1], got {quality}."
        raise ValueError(msg)
    # Nuisances have their own random stream, so that they do not depend on how the causes are drawn.
    causes, nuisances = (np.random.default_rng(int(generator.integers(_MAX_SEED))) for _ in range(2))
    return PhantomParameters(plane, subject=subject, **_draw_causes(plane, drawn, causes), **_draw_nuisances(nuisances))


def _draw_causes(plane: str, quality: float, rng: np.random.Generator) -> dict[str, Any]:
    """Distribute the loss of quality among the causes; the product of their factors is ``quality``."""
    shares = rng.dirichlet([1.0, 1.0, 0.7, 0.7]).tolist()
    bounded = max(quality, _MIN_SHARED_QUALITY)
    foreshortening_factor = max(bounded ** shares[2], 1 - FORESHORTENING_COST)
    shadow_factor = max(bounded ** shares[3], 1 - SHADOW_COST)
    rest = quality / (foreshortening_factor * shadow_factor)
    completeness = rest ** (shares[0] / (shares[0] + shares[1]))
    on_plane_factor = rest ** (shares[1] / (shares[0] + shares[1]))
    return {
        "presence": _draw_presence(plane, min(1.0, completeness), rng),
        "off_plane": 1 - min(1.0, on_plane_factor),
        "foreshortening": (1 - foreshortening_factor) / FORESHORTENING_COST,
        "shadow": (1 - shadow_factor) / SHADOW_COST,
        "defect_seed": int(rng.integers(_MAX_SEED)),
    }


def _draw_presence(plane: str, completeness: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Draw presence values with weighted mean ``completeness``, so uneven that some structures vanish early."""
    weights = structure_weights(plane)
    logs = np.log(rng.uniform(0.02, 0.98, len(weights)))
    if completeness in (0.0, 1.0):
        return (completeness,) * len(weights)
    low, high = -20.0, 20.0  # bounds of the logarithm of the exponent, which is found by bisection
    for _ in range(60):
        middle = (low + high) / 2
        mean = float(weights @ np.exp(logs * math.exp(middle)))
        low, high = (middle, high) if mean > completeness else (low, middle)
    return tuple(np.exp(logs * math.exp(low)).tolist())


def _draw_nuisances(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "rotation_deg": float(rng.uniform(-15.0, 15.0)),
        "translation": (float(rng.uniform(-0.08, 0.08)), float(rng.uniform(-0.08, 0.08))),
        "scale": float(rng.uniform(0.88, 1.12)),
        "gain": float(rng.uniform(0.8, 1.2)),
        "dynamic_range_db": float(rng.uniform(50.0, 65.0)),
        "tgc_tilt_db": float(rng.uniform(-6.0, 6.0)),
        "point_spread": float(rng.uniform(0.8, 1.3)),
        "noise_db": float(rng.uniform(-36.0, -26.0)),
        "fan_opening": float(rng.uniform(0.96, 1.04)),
        "speckle_seed": int(rng.integers(_MAX_SEED)),
    }
