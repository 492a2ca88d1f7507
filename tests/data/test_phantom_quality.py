"""Tests of the phantom's known quality: what changes it, what does not, and its weak relation to simple statistics."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from torch.nn import functional as F

from striq.data.phantom import (
    PHANTOM_PLANES,
    PhantomFrame,
    PhantomParameters,
    ideal_presence,
    make_phantom,
    render_phantom,
    sample_parameters,
)
from striq.data.phantom.scene import paint

CAUSES = ("foreshortening", "off_plane", "shadow")
STRUCTURAL = {"plane", "presence", "subject", "defect_seed", *CAUSES}
NUISANCES = [field.name for field in fields(PhantomParameters) if field.name not in STRUCTURAL]


def ideal(plane: str = "a4c") -> PhantomParameters:
    return PhantomParameters(plane, presence=ideal_presence(plane))


def test_ideal_frame_has_quality_one() -> None:
    assert ideal().quality == pytest.approx(1.0)


def test_frame_without_structures_has_quality_zero() -> None:
    assert replace(ideal(), presence=(0.0,) * len(ideal().presence)).quality == 0.0


def test_quality_is_the_stated_product() -> None:
    # a2c: weights 1.5, 3, 2.5, 1, 1, 0.6, 1 sum to 10.6; the second structure is half there.
    mixed = replace(ideal("a2c"), presence=(1, 0.5, 1, 1, 1, 1, 1), foreshortening=0.5, off_plane=0.2, shadow=0.4)
    assert mixed.quality == pytest.approx((1 - 1.5 / 10.6) * (1 - 0.6 * 0.5) * (1 - 0.2) * (1 - 0.7 * 0.4))


@pytest.mark.parametrize("cause", CAUSES)
def test_quality_falls_as_a_cause_grows(cause: str) -> None:
    values = [replace(ideal(), **{cause: amount}).quality for amount in np.linspace(0, 1, 6)]
    assert np.all(np.diff(values) < 0)


@pytest.mark.parametrize("index", range(len(ideal_presence("a4c"))))
def test_quality_falls_as_any_one_structure_fades(index: int) -> None:
    complete = np.ones(len(ideal().presence))
    values = []
    for amount in (1.0, 0.6, 0.2, 0.0):
        complete[index] = amount
        values.append(replace(ideal(), presence=tuple(complete)).quality)
    assert np.all(np.diff(values) < 0)


@pytest.mark.parametrize("cause", ["foreshortening", "off_plane", "presence"])
@pytest.mark.parametrize("plane", PHANTOM_PLANES)
def test_picture_departs_from_the_ideal_one_as_a_cause_grows(plane: str, cause: str) -> None:
    axis = np.linspace(-0.8, 0.8, 96, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    start = paint(ideal(plane), x, y)[0]
    departures = []
    for amount in (0.15, 0.5, 0.9):
        value = (1 - amount,) * len(ideal(plane).presence) if cause == "presence" else amount
        departures.append(np.abs(paint(replace(ideal(plane), **{cause: value}), x, y)[0] - start).mean())
    assert 0.05 < departures[0] < departures[1] < departures[2]


@pytest.mark.parametrize("quality", [0.0, 0.05, 0.37, 0.8, 1.0])
def test_sampled_causes_give_the_wanted_quality(quality: float) -> None:
    generator = np.random.default_rng(0)
    for plane in PHANTOM_PLANES:
        for _ in range(10):
            drawn = sample_parameters(plane, generator=generator, quality=quality)
            assert drawn.quality == pytest.approx(quality, abs=1e-6)


def test_nuisances_are_the_same_whatever_the_quality() -> None:
    for seed in range(20):
        low, high = (sample_parameters("face", generator=np.random.default_rng(seed), quality=q) for q in (0.1, 0.9))
        assert [getattr(low, name) for name in NUISANCES] == [getattr(high, name) for name in NUISANCES]


def test_nuisances_do_not_correlate_with_drawn_quality() -> None:
    drawn = make_phantom(50, 8).parameters  # 2400 frames: standard error of a correlation 0.02
    quality = [parameters.quality for parameters in drawn]
    for name in set(NUISANCES) - {"translation", "speckle_phase"}:
        assert abs(spearmanr(quality, [getattr(parameters, name) for parameters in drawn])[0]) < 0.08, name
    for axis in range(2):
        assert abs(spearmanr(quality, [parameters.translation[axis] for parameters in drawn])[0]) < 0.08


def test_drawn_quality_is_uniform_for_every_plane() -> None:
    for plane in PHANTOM_PLANES:
        quality = [parameters.quality for parameters in make_phantom(60, 5, planes=[plane]).parameters]
        counts, _ = np.histogram(quality, bins=5, range=(0, 1))
        assert counts.min() > 30  # 60 expected, standard deviation 7


def test_nuisances_stay_in_their_stated_ranges() -> None:
    for drawn in make_phantom(20, 5, seed=9).parameters:
        assert abs(drawn.rotation_deg) <= 15
        assert max(map(abs, drawn.translation)) <= 0.08
        assert 0.88 <= drawn.scale <= 1.12
        assert 0.8 <= drawn.gain <= 1.2


def canonical_view(frame: PhantomFrame) -> NDArray[np.float32]:
    """Undo a frame's pose: read the frame at the forward pose of every canonical location."""
    whole = np.vstack([frame.transform, [0, 0, 1]])
    forward = torch.from_numpy(np.linalg.inv(whole)[:2].astype(np.float32))[None]
    grid = F.affine_grid(forward, [1, 1, *frame.pixels.shape], align_corners=False)
    pixels = torch.from_numpy(gaussian_filter(frame.pixels, 2))[None, None]
    return F.grid_sample(pixels, grid, align_corners=False)[0, 0].numpy()


def likeness(view: NDArray[np.float32], template: NDArray[np.float32]) -> float:
    center = np.s_[24:-24, 24:-24]
    return float(np.corrcoef(view[center].ravel(), template[center].ravel())[0, 1])


@pytest.mark.parametrize("plane", PHANTOM_PLANES)
def test_structure_tells_quality_and_contrast_hardly_does(plane: str) -> None:
    frames = list(make_phantom(12, 5, planes=[plane], seed=11, size=(128, 128)))
    others = [render_phantom(replace(ideal(plane), subject=index), (128, 128)) for index in range(900, 908)]
    template = np.mean([canonical_view(frame) for frame in others], axis=0)
    quality = [frame.quality for frame in frames]
    by_structure = spearmanr(quality, [likeness(canonical_view(frame), template) for frame in frames])[0]
    by_contrast = spearmanr(quality, [frame.pixels[frame.fan_mask].std() for frame in frames])[0]
    by_brightness = spearmanr(quality, [frame.pixels[frame.fan_mask].mean() for frame in frames])[0]
    assert by_structure > 0.7
    assert max(abs(by_contrast), abs(by_brightness)) < min(0.6, by_structure - 0.15)


@pytest.mark.parametrize("plane", PHANTOM_PLANES)
def test_worst_frames_are_about_as_bright_and_as_varied_as_the_best(plane: str) -> None:
    generator = np.random.default_rng(0)
    measured = []
    for quality in (0.0, 1.0):
        drawn = [sample_parameters(plane, generator=generator, quality=quality, subject=index) for index in range(12)]
        frames = [render_phantom(parameters, (96, 96)) for parameters in drawn]
        inside = [frame.pixels[frame.fan_mask] for frame in frames]
        measured.append((np.mean([values.mean() for values in inside]), np.mean([values.std() for values in inside])))
    brightness, variation = np.divide(*measured)
    assert 0.7 < brightness < 1.2
    assert 0.6 < variation < 1.2


@pytest.mark.parametrize("quality", [-0.1, 1.1, float("nan")])
def test_quality_outside_its_range_is_refused(quality: float) -> None:
    with pytest.raises(ValueError, match=r"'quality' must lie in \[0, 1\]"):
        sample_parameters("a4c", generator=np.random.default_rng(0), quality=quality)


def test_negative_subject_is_refused() -> None:
    with pytest.raises(ValueError, match="'subject' must be 0 or more, got -1"):
        sample_parameters("a4c", generator=np.random.default_rng(0), subject=-1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shadow": 1.2}, r"'shadow' must lie in \[0, 1\], got 1.2"),
        ({"presence": (1.0, 0.5)}, "must have 9 values, got 2"),
        ({"presence": (2.0,) * 9}, r"'presence\[0\]' must lie in"),
        ({"scale": 0.0}, "'scale' must be positive, got 0.0"),
    ],
)
def test_impossible_parameters_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ideal(), **changes)
