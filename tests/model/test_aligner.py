"""Tests of ``striq.model.aligner`` and ``striq.model.network``."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.config import AlignerConfig, EncoderConfig, QualityConfig, StriqConfig
from striq.model.aligner import Aligner, Alignment
from striq.model.network import Pyramid, StriqModel, matching_center
from striq.quality.pair_moments import measure_pairs
from striq.quality.terms import compute_pair_terms
from striq.registration.affine import warp
from striq.registration.modes import MODES
from striq.training.objective import endpoint_error
from striq.types import Mode

CHANNELS = (8, 8, 8)
SIZES = (32, 16, 8)
PAIR_TERMS = ("similarity", "ncc", "smoothness")


def smooth_pyramid(seed: int, count: int = 2) -> list[Tensor]:
    """Maps of stages 1 to 3 that show the same smooth random scene, 8 channels."""
    generator = torch.Generator().manual_seed(seed)
    scene = F.interpolate(torch.randn(count, 8, 9, 9, generator=generator), (64, 64), mode="bicubic")
    return [F.interpolate(scene, (size, size), mode="area") for size in SIZES]


def everywhere(pyramid: list[Tensor]) -> list[Tensor]:
    return [torch.ones(len(m), 1, *m.shape[2:]) for m in pyramid]


def opened(mode: Mode = "affine") -> Aligner:
    aligner = Aligner(CHANNELS, AlignerConfig(mode=mode, projections=CHANNELS, sharpness=80.0))
    aligner.gates.fill_(1.0)
    return aligner


def align(aligner: Aligner, fixed: list[Tensor], moving: list[Tensor]) -> Tensor:
    masks = everywhere(fixed)
    with torch.no_grad():
        return aligner(aligner.project(fixed, masks), aligner.project(moving, masks), masks, masks).transform


@pytest.mark.parametrize("mode", MODES)
def test_untrained_aligner_gives_the_identity_exactly(mode: Mode) -> None:
    aligner = Aligner(CHANNELS, AlignerConfig(mode=mode, projections=CHANNELS))
    found = align(aligner, smooth_pyramid(0), smooth_pyramid(1))
    torch.testing.assert_close(found, torch.eye(2, 3).expand(2, 2, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_identical_frames_stay_where_they_are(mode: Mode) -> None:
    pyramid = smooth_pyramid(0)
    found = align(opened(mode), pyramid, pyramid)
    assert float(endpoint_error(found, torch.eye(2, 3).expand(2, 2, 3)).max()) < 0.03


def test_known_affine_is_recovered_from_a_warped_scene() -> None:
    known = torch.tensor([[[0.95, 0.1, 0.12], [-0.08, 1.05, -0.1]]]).repeat(2, 1, 1)
    moving = smooth_pyramid(3)
    fixed = [warp(m, known) for m in moving]
    found = align(opened(), fixed, moving)
    identity = torch.eye(2, 3).expand(2, 2, 3)
    assert float(endpoint_error(found, known).max()) < 0.4 * float(endpoint_error(identity, known).min())


def test_finer_levels_refine_the_coarse_transform() -> None:
    known = torch.tensor([[[0.95, 0.1, 0.12], [-0.08, 1.05, -0.1]]]).repeat(2, 1, 1)
    moving = smooth_pyramid(3)
    fixed, aligner = [warp(m, known) for m in moving], opened()
    masks = everywhere(fixed)
    with torch.no_grad():
        steps = aligner(aligner.project(fixed, masks), aligner.project(moving, masks), masks, masks).steps
    errors = [float(endpoint_error(step, known).mean()) for step in steps]
    # Fails if levels are composed in the wrong order, or if each level replaces the previous one.
    assert errors[-1] < errors[0]


def test_a_pair_does_not_depend_on_the_rest_of_the_batch() -> None:
    fixed, moving = smooth_pyramid(0), smooth_pyramid(1)
    together = align(opened(), fixed, moving)
    alone = align(opened(), [m[1:] for m in fixed], [m[1:] for m in moving])
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-5)


def test_gradients_reach_projection_sharpness_and_ridge() -> None:
    aligner, fixed, moving = opened(), smooth_pyramid(0), smooth_pyramid(1)
    masks = everywhere(fixed)
    out = aligner(aligner.project(fixed, masks), aligner.project(moving, masks), masks, masks)
    out.transform.square().sum().backward()
    for name, parameter in aligner.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert float(parameter.grad.abs().max()) > 0, name


@pytest.fixture(scope="module")
def model() -> StriqModel:
    return StriqModel(2, StriqConfig(encoder=EncoderConfig(size=(64, 64))))


def test_only_the_moving_side_is_warped(model: StriqModel) -> None:
    image = 0.1 + 0.9 * torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    frozen = model.embed(image)
    fixed, moving = (model.specialize(frozen[i], 0) for i in (0, 1))
    alignment = model.align(frozen[0], frozen[1], 0)
    registration = model.warp_onto(alignment, fixed, moving)
    assert registration.fixed is fixed
    torch.testing.assert_close(registration.warped[0], warp(moving.maps[0], alignment.transform))


def test_leaving_the_frame_never_pays(model: StriqModel) -> None:
    image = 0.1 + 0.9 * torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    frame = model.specialize(model.embed(image), 0)
    similarities = []
    for shift in (0.0, 0.5, 1.0, 3.0):
        transform = torch.tensor([[[1.0, 0.0, shift], [0.0, 1.0, 0.0]]])
        registration = model.warp_onto(Alignment(transform, (transform,)), frame, frame)
        similarities.append(
            float(
                compute_pair_terms(measure_pairs(registration, QualityConfig()), QualityConfig(), PAIR_TERMS)
                .sum()
                .detach()
            )
        )
    assert similarities == sorted(similarities)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_what_a_scanner_adds_to_a_channel_matters_as_far_as_frames_are_centered_by_the_plane(share: float) -> None:
    config = StriqConfig(encoder=EncoderConfig(size=(64, 64)), aligner=AlignerConfig(frame_centering=share))
    model = StriqModel(1, config)
    image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    image[:, :, :, :20] = 0  # outside the fan
    frozen = model.embed(image)
    generator = torch.Generator().manual_seed(1)
    for maps, mask in zip(frozen.maps, frozen.masks, strict=True):
        added, plane = torch.randn(1, maps.shape[1], 1, 1, generator=generator), torch.ones(maps.shape[1], 1, 1)
        before, after = (matching_center(m, mask, plane, share) for m in (maps, maps + added))
        torch.testing.assert_close(after - before, (share * added).expand_as(before), atol=1e-4, rtol=0)
    added = [torch.randn(1, maps.shape[1], 1, 1, generator=generator) for maps in frozen.maps]
    other = Pyramid(tuple(maps + shift for maps, shift in zip(frozen.maps, added, strict=True)), frozen.masks)
    same = [
        torch.allclose(one, two, atol=1e-3)
        for one, two in zip(model.matching_features(frozen, 0), model.matching_features(other, 0), strict=True)
    ]
    assert same == [share == 1] * 3


def test_centering_by_frame_leaves_a_mean_of_zero_in_the_fan() -> None:
    model = StriqModel(1, StriqConfig(encoder=EncoderConfig(size=(64, 64))))
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    image[..., 40:] = 0
    frozen = model.embed(image)
    for maps, mask in zip(frozen.maps, frozen.masks, strict=True):
        centered = (maps - matching_center(maps, mask, torch.full((maps.shape[1], 1, 1), 7.0), 1.0)) * mask
        torch.testing.assert_close(centered.sum(dim=(2, 3)), torch.zeros(1, maps.shape[1]), atol=1e-3, rtol=0)


def test_centering_takes_each_frame_by_its_own_plane(model: StriqModel) -> None:
    for stage in range(3):
        model.mean_map(stage)[0].fill_(1.0)
        model.mean_map(stage)[1].fill_(2.0)
    image = 0.1 + 0.9 * torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    frozen = model.embed(image)
    mixed = model.center(frozen, torch.tensor([1, 0]))
    torch.testing.assert_close(mixed.maps[2][0], frozen.maps[2][0] - 2)
    torch.testing.assert_close(mixed.maps[2][1], frozen.maps[2][1] - 1)
