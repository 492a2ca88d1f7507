"""Rendering of synthetic B-mode frames with known pose and structural quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from striq.data.phantom.parameters import PhantomParameters, sample_parameters
from striq.data.phantom.physics import CONVEX, SECTOR, Fan, compress, envelope, scatterers, shadow_behind
from striq.data.phantom.planes import PHANTOM_PLANES, canonical_anatomy
from striq.data.phantom.scene import FLOOR_DB, ideal_moments, paint
from striq.data.phantom.shapes import Array
from striq.data.phantom.subjects import subject_anatomy

_WHITE_DB = 24.0  # level displayed as white, slightly above bone
# Share of the ideal plane's contrast that generic texture restores where structures are missing, so that contrast
# inside the fan correlates only weakly with quality (docs/decisions/0003-phantom.md).
_RESTORED_CONTRAST = 0.3
_SUBJECT_STRIDE = 1_000_003  # gives different subjects to data sets of different seeds


@dataclass(frozen=True)
class PhantomFrame:
    """One rendered frame and its ground truth.

    Convention:
        - ``pixels`` has shape ``(H, W)``, float32 in [0, 1], zero outside ``fan_mask``.
        - ``transform`` is a 2x3 pull-back from coordinates of the frame to those of the canonical anatomy, both
          ``(x, y)`` in [-1, 1] with ±1 at pixel edges (``align_corners=False``).
    """

    pixels: NDArray[np.float32]
    fan_mask: NDArray[np.bool_]
    transform: NDArray[np.float32]
    quality: float
    plane: str
    parameters: PhantomParameters


def render_phantom(parameters: PhantomParameters, size: tuple[int, int] = (256, 256)) -> PhantomFrame:
    """Render one frame; the same parameters and size always give the same pixels.

    Args:
        parameters: Description of the frame.
        size: Height and width, pixels.

    Raises:
        ValueError: If ``size`` is not two numbers of at least 32 pixels.
    """
    if len(size) != 2 or min(size) < 32:
        msg = f"'size' must be (H, W) of at least 32 pixels each, got {tuple(size)}."
        raise ValueError(msg)
    fan = _fan_of(parameters)
    shape = (size[0], max(16, size[1] * 9 // 16))  # samples and beams; 144 beams at 256 pixels, as in a real probe
    polar = _polar_image(parameters, fan, shape)
    pixels, mask = fan.scan_convert(polar, size)
    return PhantomFrame(pixels, mask, parameters.transform, parameters.quality, parameters.plane, parameters)


def _fan_of(parameters: PhantomParameters) -> Fan:
    fan = SECTOR if canonical_anatomy(parameters.plane).sector else CONVEX
    return replace(fan, half_angle=fan.half_angle * parameters.fan_opening)


def _polar_image(parameters: PhantomParameters, fan: Fan, shape: tuple[int, int]) -> Array:
    x, y = fan.polar_points(shape)
    echo, opacity = paint(parameters, x, y)
    echo = _fill_with_texture(parameters, echo, x, y)
    depth = np.linspace(0.0, 1.0, shape[0], dtype=np.float32)[:, None]
    echo -= shadow_behind(opacity) + _rib_shadow(parameters, fan, shape)
    echo += np.float32(parameters.tgc_tilt_db) * (depth - 0.5) - 3 * depth  # attenuation that remains after TGC
    unit = parameters.point_spread * shape[0] / 256
    field = scatterers(shape, parameters.speckle_seed, parameters.speckle_phase)
    signal = envelope(10 ** (echo / 20), field, (1.0 * unit, 1.3 * unit))
    floor = 10 ** ((parameters.noise_db + 6 * depth) / 20)  # electronic noise, amplified by TGC
    noise = np.abs(scatterers(shape, parameters.speckle_seed, math.floor(parameters.speckle_phase * 8) + 1000))
    signal = np.hypot(signal, floor * noise)
    return compress(signal, dynamic_range_db=parameters.dynamic_range_db, reference_db=_WHITE_DB, gain=parameters.gain)


def _fill_with_texture(parameters: PhantomParameters, echo: Array, x: Array, y: Array) -> Array:
    """Add smooth texture that brings mean and contrast close to those of the ideal plane, whatever the quality."""
    inside = (np.abs(x) < 0.85) & (np.abs(y) < 0.85)
    mean, std = ideal_moments(parameters.plane)
    rng = np.random.default_rng([parameters.defect_seed, 1])
    texture = gaussian_filter(
        rng.standard_normal(echo.shape, dtype=np.float32), (echo.shape[0] / 26, echo.shape[1] / 20)
    )
    texture /= texture.std()
    missing_variance = max(0.0, _RESTORED_CONTRAST * std**2 - float(echo[inside].var()))
    echo = echo + texture * np.float32(1.0 + math.sqrt(missing_variance))
    return np.maximum(echo + np.float32(mean - echo[inside].mean()), np.float32(FLOOR_DB))


def _rib_shadow(parameters: PhantomParameters, fan: Fan, shape: tuple[int, int]) -> Array | float:
    """Return the attenuation in dB of a shadow that starts in the near field and covers the plane's structures."""
    if parameters.shadow == 0.0:
        return 0.0
    linear, shift = parameters.transform[:, :2], parameters.transform[:, 2]
    fx, fy = np.linalg.solve(linear, subject_anatomy(parameters.plane, parameters.subject).focus - shift)
    rng = np.random.default_rng([parameters.defect_seed, 2])
    center = math.atan2(fx, fy - fan.apex_y) + 0.15 * fan.half_angle * rng.uniform(-1, 1)
    width = fan.half_angle * (0.1 + 0.4 * parameters.shadow)
    angle = np.linspace(-fan.half_angle, fan.half_angle, shape[1], dtype=np.float32)[None]
    depth = np.linspace(0.0, 1.0, shape[0], dtype=np.float32)[:, None]
    across = 1 / (1 + np.exp((np.abs(angle - np.float32(center)) - width) / np.float32(0.025)))
    onset = np.clip((depth - 0.1) / 0.08, 0.0, 1.0)
    return (np.float32(16 * parameters.shadow**0.5) * across * onset).astype(np.float32)


class PhantomFrames(Sequence[PhantomFrame]):
    """A sequence of frames that are rendered on access.

    Args:
        parameters: Description of each frame.
        size: Height and width, pixels.
    """

    def __init__(self, parameters: Sequence[PhantomParameters], size: tuple[int, int]) -> None:
        self.parameters = tuple(parameters)
        self.size = size

    def __len__(self) -> int:
        return len(self.parameters)

    @overload
    def __getitem__(self, index: int) -> PhantomFrame: ...
    @overload
    def __getitem__(self, index: slice) -> PhantomFrames: ...
    def __getitem__(self, index: int | slice) -> PhantomFrame | PhantomFrames:
        if isinstance(index, slice):
            return PhantomFrames(self.parameters[index], self.size)
        return render_phantom(self.parameters[index], self.size)


def make_phantom(
    num_subjects: int,
    frames_per_subject: int,
    *,
    planes: Sequence[str] = PHANTOM_PLANES,
    seed: int = 0,
    size: tuple[int, int] = (256, 256),
) -> PhantomFrames:
    """Return frames of uniformly distributed quality, ordered by plane, subject and frame.

    Args:
        num_subjects: Number of subjects per plane; all frames of a subject have the same anatomy.
        frames_per_subject: Number of frames per subject and plane.
        planes: Names from ``PHANTOM_PLANES``.
        seed: Seed of the subjects and frames.
        size: Height and width, pixels.

    Raises:
        ValueError: If a count is below 1, the seed is negative or a plane is unknown.
    """
    for name, count in (("num_subjects", num_subjects), ("frames_per_subject", frames_per_subject)):
        if count < 1:
            msg = f"'{name}' must be at least 1, got {count}."
            raise ValueError(msg)
    if seed < 0:
        msg = f"'seed' must be 0 or more, got {seed}."
        raise ValueError(msg)
    parameters: list[PhantomParameters] = []
    for plane in planes:
        generator = np.random.default_rng([seed, *plane.encode()])
        for subject in range(num_subjects):
            anatomy_seed = seed * _SUBJECT_STRIDE + subject
            for _ in range(frames_per_subject):
                parameters.append(sample_parameters(plane, generator=generator, subject=anatomy_seed))
    return PhantomFrames(parameters, size)
