"""Tests of the rendering of phantom frames: content, position and appearance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, gaussian_filter, label
from torch.nn import functional as F

from striq.data.phantom import (
    PHANTOM_PLANES,
    PhantomFrame,
    PhantomParameters,
    ideal_presence,
    landmarks,
    make_phantom,
    make_phantom_cine,
    render_phantom,
    sample_parameters,
)
from striq.data.phantom.physics import envelope, scatterers, shadow_behind
from striq.data.phantom.scene import paint

POSE = {"rotation_deg": 12.0, "translation": (0.06, -0.04), "scale": 1.1}
SIZE = (128, 128)


def ideal(plane: str, **changes: object) -> PhantomParameters:
    return replace(PhantomParameters(plane, presence=ideal_presence(plane)), **changes)


def echo_map(parameters: PhantomParameters, side: int = 256) -> NDArray[np.float32]:
    """Evaluate the anatomy without speckle at the pixel centers of a square frame."""
    axis = ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return paint(parameters, x, y)[0]


def chamber_centers(echo: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the (x, y) centroids of all large dark regions, in grid coordinates."""
    regions, count = label(echo < -15.0)
    sizes = [np.count_nonzero(regions == index) for index in range(1, count + 1)]
    large = [index + 1 for index, size in enumerate(sizes) if size > 200]
    rows_columns = np.array(center_of_mass(regions > 0, regions, large))
    return (rows_columns[:, ::-1] + 0.5) * 2 / len(echo) - 1


def masked_correlation(first: PhantomFrame, second: PhantomFrame, sigma: float, *, fine: bool) -> float:
    """Correlate the smooth or the fine part of two frames with one fan, away from its edge."""
    inside = gaussian_filter(first.fan_mask.astype(float), sigma) > 0.99
    parts = []
    for frame in (first, second):
        smooth = gaussian_filter(frame.pixels, sigma)
        parts.append((frame.pixels - smooth if fine else smooth)[inside])
    return float(np.corrcoef(*parts)[0, 1])


def test_same_parameters_give_same_pixels() -> None:
    first, second = (make_phantom(1, 2, planes=["kidney"], seed=5, size=SIZE)[1] for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.parameters == second.parameters


@pytest.mark.parametrize("plane", PHANTOM_PLANES)
def test_frame_is_float32_between_zero_and_one_and_black_outside_the_fan(plane: str) -> None:
    for frame in make_phantom(1, 3, planes=[plane], seed=1, size=(96, 128)):
        assert frame.pixels.dtype == np.float32
        assert frame.pixels.shape == frame.fan_mask.shape == (96, 128)
        assert frame.pixels.min() >= 0.0
        assert frame.pixels.max() <= 1.0
        assert 0.3 < frame.fan_mask.mean() < 0.9
        assert not frame.pixels[~frame.fan_mask].any()
        assert 0.15 < frame.pixels[frame.fan_mask].mean() < 0.65


def test_envelope_of_homogeneous_tissue_is_rayleigh_distributed() -> None:
    shape = (512, 256)
    signal = envelope(np.ones(shape, dtype=np.float32), scatterers(shape, seed=3), (1.0, 1.3))
    # Rayleigh: mean/std = sqrt(pi / (4 - pi)) = 1.913, and mean power is that of the scatterers.
    assert signal.mean() / signal.std() == pytest.approx(1.913, abs=0.05)
    assert np.mean(signal**2) == pytest.approx(1.0, abs=0.05)


def test_scatterers_decorrelate_smoothly_with_phase() -> None:
    shape = (128, 128)
    start = scatterers(shape, seed=1)
    likeness = [abs(np.vdot(start, scatterers(shape, 1, phase))) / start.size for phase in (0.25, 0.5, 0.75, 1.0)]
    np.testing.assert_allclose(likeness, np.cos(np.pi / 2 * np.array([0.25, 0.5, 0.75, 1.0])), atol=0.03)


def test_other_speckle_seed_changes_speckle_and_keeps_structure() -> None:
    first, second = (render_phantom(ideal("a4c", speckle_seed=seed)) for seed in (1, 2))
    assert abs(masked_correlation(first, second, 2.0, fine=True)) < 0.1
    assert masked_correlation(first, second, 5.0, fine=False) > 0.95


def test_pose_scales_turns_clockwise_and_shifts_by_fractions_of_the_frame() -> None:
    canonical = chamber_centers(echo_map(ideal("a2c")))
    posed = chamber_centers(echo_map(ideal("a2c", rotation_deg=10.0, translation=(0.05, -0.02), scale=0.9)))
    cos, sin = np.cos(np.deg2rad(10)), np.sin(np.deg2rad(10))
    clockwise = np.array([[cos, -sin], [sin, cos]])  # y points down
    expected = 0.9 * canonical @ clockwise.T + [0.10, -0.04]  # the frame is 2 wide
    np.testing.assert_allclose(posed, expected, atol=0.006)


def test_transform_maps_posed_chambers_onto_canonical_ones() -> None:
    canonical = chamber_centers(echo_map(ideal("a4c")))
    posed_parameters = ideal("a4c", **POSE)
    posed = chamber_centers(echo_map(posed_parameters))
    assert len(canonical) == len(posed) == 4
    mapped = np.c_[posed, np.ones(4)] @ posed_parameters.transform.T
    for point in mapped:
        assert np.min(np.hypot(*(canonical - point).T)) < 0.005  # 0.6 pixels of 256


@pytest.mark.parametrize("plane", PHANTOM_PLANES)
def test_warping_canonical_echoes_by_the_transform_gives_the_posed_ones(plane: str) -> None:
    parameters = ideal(plane, subject=7, **POSE)
    posed = echo_map(parameters)
    canonical = torch.from_numpy(echo_map(ideal(plane, subject=7)))[None, None]
    grid = F.affine_grid(torch.from_numpy(parameters.transform)[None], [1, 1, 256, 256], align_corners=False)
    warped = F.grid_sample(canonical, grid, padding_mode="border", align_corners=False)[0, 0].numpy()
    inside = np.s_[40:-40, 40:-40]
    unposed = np.abs(canonical[0, 0].numpy() - posed)[inside].mean()
    assert np.abs(warped - posed)[inside].mean() < 0.05 * unposed


def test_landmarks_lie_where_their_chambers_are_shown() -> None:
    centers = chamber_centers(echo_map(ideal("a4c", subject=3)))
    for name in ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium"):
        assert np.min(np.hypot(*(centers - landmarks("a4c", 3)[name]).T)) < 0.06


def test_apical_planes_show_four_and_two_chambers() -> None:
    assert len(chamber_centers(echo_map(ideal("a4c")))) == 4
    assert len(chamber_centers(echo_map(ideal("a2c")))) == 2


def test_rendered_chambers_are_where_the_echo_map_has_them() -> None:
    # Compares polar rendering and scan conversion with the exact map on the grid of the frame.
    parameters = ideal("a2c", **POSE)
    frame, echo = render_phantom(parameters), echo_map(parameters)
    inside = gaussian_filter(frame.fan_mask.astype(float), 3) > 0.99
    shown = gaussian_filter(frame.pixels, 3)
    matched = np.corrcoef(shown[inside], gaussian_filter(echo, 3)[inside])[0, 1]
    shifted = np.corrcoef(shown[inside], np.roll(gaussian_filter(echo, 3), 12, axis=1)[inside])[0, 1]
    assert matched > 0.9
    assert shifted < matched - 0.15


def test_foreshortening_brings_the_valve_plane_nearer_to_the_apex() -> None:
    apart = []
    for amount in (0.0, 0.5, 1.0):
        centers = chamber_centers(echo_map(ideal("a2c", foreshortening=amount)))
        apart.append(np.ptp(centers[:, 1]))
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] == pytest.approx(apart[0] / 2, rel=0.05)


def test_bright_structures_attenuate_only_what_lies_deeper_on_their_beam() -> None:
    opacity = np.zeros((20, 21), dtype=np.float32)
    opacity[5, 8:13] = 10.0
    shadow = shadow_behind(opacity)
    assert shadow[10, 10] == pytest.approx(10.0, abs=0.5)
    assert shadow[:6, 10].max() == pytest.approx(0.0, abs=1e-5)
    assert shadow[:, [0, 20]].max() == 0.0


def test_shadow_darkens_the_structures_it_covers() -> None:
    plain, shadowed = (render_phantom(ideal("kidney", shadow=amount)).pixels for amount in (0.0, 1.0))
    assert shadowed[128:180, 110:160].mean() < plain[128:180, 110:160].mean() - 0.08


def test_subject_has_one_anatomy_and_differs_from_others() -> None:
    first, again, other = (echo_map(ideal("face", subject=index)) for index in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.5


def test_planes_are_told_apart_by_the_nearest_mean_of_other_subjects() -> None:
    generator = np.random.default_rng(0)

    def thumbnail(plane: str, subject: int) -> NDArray[np.float32]:
        drawn = sample_parameters(plane, generator=generator, quality=0.9, subject=subject)
        unposed = replace(drawn, rotation_deg=0.0, translation=(0.0, 0.0), scale=1.0)
        small = gaussian_filter(render_phantom(unposed, SIZE).pixels, 4)[::4, ::4].ravel()
        return (small - small.mean()) / small.std()

    means = {plane: np.mean([thumbnail(plane, subject) for subject in range(8)], axis=0) for plane in PHANTOM_PLANES}
    correct = 0
    for plane in PHANTOM_PLANES:
        for subject in range(100, 105):
            shown = thumbnail(plane, subject)
            correct += plane == max(means, key=lambda name: float(means[name] @ shown))
    assert correct >= 26  # of 30; chance is 5


def test_cine_rises_to_the_ideal_plane_and_falls_again() -> None:
    quality = [parameters.quality for parameters in make_phantom_cine("abdomen", 21, seed=4).parameters]
    assert np.argmax(quality) == 10
    assert max(quality) == pytest.approx(1.0)
    assert min(quality) < 0.15
    assert np.all(np.diff(quality[:11]) > 0)
    assert np.all(np.diff(quality[10:]) < 0)
    assert np.abs(np.diff(quality)).max() < 0.2


def test_neighboring_cine_frames_look_alike_and_distant_ones_do_not() -> None:
    cine = make_phantom_cine("a4c", 41, seed=2)
    near = masked_correlation(cine[20], cine[21], 2.0, fine=True)
    far = masked_correlation(cine[20], cine[36], 2.0, fine=True)
    assert near > 0.6
    assert far < 0.15


def test_frames_are_a_sequence_that_slices() -> None:
    frames = make_phantom(2, 2, planes=["a2c", "face"], size=(64, 64))
    assert len(frames) == 8
    assert [frame.plane for frame in frames[3:5]] == ["a2c", "face"]
    np.testing.assert_array_equal(frames[-1].pixels, frames[7].pixels)


@pytest.mark.parametrize("size", [(16, 256), (256,), (256, 256, 3)])
def test_unusable_size_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'size' must be \(H, W\) of at least 32 pixels"):
        render_phantom(ideal("a4c"), size)  # type: ignore[arg-type]


def test_unknown_plane_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no plane 'liver'.*abdomen.*a4c"):
        make_phantom(1, 1, planes=["liver"])


@pytest.mark.parametrize(
    ("subjects", "frames", "seed", "named"),
    [(0, 1, 0, "num_subjects"), (1, 0, 0, "frames_per_subject"), (1, 1, -1, "seed")],
)
def test_unusable_counts_are_refused(subjects: int, frames: int, seed: int, named: str) -> None:
    with pytest.raises(ValueError, match=rf"'{named}' must be"):
        make_phantom(subjects, frames, seed=seed)


def test_cine_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="'num_frames' must be at least 1, got 0"):
        make_phantom_cine("a4c", 0)
