"""Tests of ``striq.quality.consistency`` against plain loops."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from striq.config import QualityConfig
from striq.quality.consistency import ncc, similarity, smoothness
from striq.quality.pair_moments import RegisteredPairs, location_products, window_moments
from tests.references import consistency as reference

Maps = list[Tensor]


def random_maps(seed: int, channels: int = 3, size: int = 8) -> Maps:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, channels, size, size + 1, generator=generator) for _ in range(2)]


def similarity_loss(fixed: Maps, moving: Maps, masks: Maps) -> Tensor:
    stages = [location_products(m, f, mask, mask) for f, m, mask in zip(fixed, moving, masks, strict=True)]
    return similarity(RegisteredPairs(stages, {}, {}, []), QualityConfig())


def ncc_loss(fixed: Maps, moving: Maps, masks: Maps, *, window: int | None = None) -> Tensor:
    maps = zip(fixed, moving, masks, strict=True)
    windows = {
        stage: window_moments(m, f, mask, location_products(m, f, mask, mask), window)
        for stage, (f, m, mask) in enumerate(maps, start=1)
    }
    return ncc(RegisteredPairs([], windows, {}, []), QualityConfig(ncc_stages=tuple(windows), ncc_window=window))


def smoothness_loss(steps: Maps, *, translation_weight: float) -> Tensor:
    return smoothness(RegisteredPairs([], {}, {}, steps), QualityConfig(translation_weight=translation_weight))


def half_masks(maps: Maps) -> Maps:
    masks = [torch.zeros(2, 1, *m.shape[2:]) for m in maps]
    for mask in masks:
        mask[0, :, 2:, :] = 1
        mask[1, :, :, 1:7] = 1
    return masks


@pytest.fixture
def fixed() -> Maps:
    return random_maps(0)


@pytest.fixture
def moving() -> Maps:
    return random_maps(1)


def test_similarity_equals_the_loop_reference(fixed: Maps, moving: Maps) -> None:
    masks = half_masks(fixed)
    torch.testing.assert_close(similarity_loss(fixed, moving, masks), reference.similarity(fixed, moving, masks))


@pytest.mark.parametrize("window", [3, 5, None])
def test_ncc_equals_the_loop_reference(fixed: Maps, moving: Maps, window: int | None) -> None:
    masks = half_masks(fixed)
    found = ncc_loss(fixed, moving, masks, window=window)
    torch.testing.assert_close(found, reference.ncc(fixed, moving, masks, window=window), atol=1e-4, rtol=1e-3)


def test_smoothness_equals_the_loop_reference() -> None:
    generator = torch.Generator().manual_seed(4)
    steps = [torch.eye(2, 3) + 0.1 * torch.randn(2, 2, 3, generator=generator) for _ in range(3)]
    torch.testing.assert_close(
        smoothness_loss(steps, translation_weight=0.5), reference.smoothness(steps, translation_weight=0.5)
    )


def test_perfect_agreement_is_minus_one(fixed: Maps) -> None:
    masks = half_masks(fixed)
    minus_one = -torch.ones(2)
    torch.testing.assert_close(similarity_loss(fixed, fixed, masks), minus_one)
    for window in (3, None):
        torch.testing.assert_close(ncc_loss(fixed, fixed, masks, window=window), minus_one, atol=1e-4, rtol=0)


def test_convention_uncovered_fan_counts_as_similarity_zero(fixed: Maps) -> None:
    masks = [torch.ones(2, 1, *m.shape[2:]) for m in fixed]
    half_gone = [m.clone() for m in fixed]
    for m in half_gone:
        m[:, :, :4] = 0  # the upper half is not covered
    torch.testing.assert_close(similarity_loss(fixed, half_gone, masks), -0.5 * torch.ones(2))


@pytest.mark.parametrize("window", [3, None])
def test_ncc_does_not_see_gain_and_offset(fixed: Maps, moving: Maps, window: int | None) -> None:
    masks = half_masks(fixed)
    offset = torch.tensor([3.0, -1.0, 0.5]).view(1, 3, 1, 1)
    louder = [7.0 * m + offset for m in moving]
    torch.testing.assert_close(
        ncc_loss(fixed, louder, masks, window=window), ncc_loss(fixed, moving, masks, window=window), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("window", [3, None])
def test_convention_channels_without_variance_add_nothing(fixed: Maps, moving: Maps, window: int | None) -> None:
    masks = half_masks(fixed)
    dead = [[torch.cat([m, torch.full_like(m[:, :2], 0.7)], dim=1) for m in maps] for maps in (fixed, moving)]
    torch.testing.assert_close(
        ncc_loss(*dead, masks, window=window), ncc_loss(fixed, moving, masks, window=window), atol=1e-4, rtol=0
    )


def test_convention_windows_without_variance_are_left_out(fixed: Maps) -> None:
    masks = [torch.ones(2, 1, *m.shape[2:]) for m in fixed]
    flat = [m.clone() for m in fixed]
    for m in flat:
        m[:, :, :4] = 0.7  # not a single window of the upper rows varies
    torch.testing.assert_close(ncc_loss(flat, flat, masks, window=3), -torch.ones(2), atol=1e-4, rtol=0)


def test_ncc_falls_with_noise_and_turns_its_sign_with_the_map(fixed: Maps, moving: Maps) -> None:
    masks = half_masks(fixed)
    noisy = [f + 0.5 * m for f, m in zip(fixed, moving, strict=True)]
    mirrored = [-f for f in fixed]
    values = [ncc_loss(fixed, maps, masks) for maps in (fixed, noisy, moving, mirrored)]
    assert all(bool((a < b).all()) for a, b in itertools.pairwise(values))
    torch.testing.assert_close(values[-1], torch.ones(2), atol=1e-4, rtol=0)


def test_smoothness_of_standing_still_is_zero_and_grows_with_motion() -> None:
    identity = torch.eye(2, 3).expand(1, 2, 3)
    small, large = (identity + torch.tensor([[[0.0, 0.0, t], [0.0, 0.0, 0.0]]]) for t in (0.1, 0.2))
    values = [float(smoothness_loss([t, t], translation_weight=1.0)) for t in (identity, small, large)]
    assert values[0] == 0
    assert values[0] < values[1] < values[2]


def test_a_pair_does_not_depend_on_the_rest_of_the_batch(fixed: Maps, moving: Maps) -> None:
    masks = half_masks(fixed)
    for loss in (similarity_loss, lambda *maps: ncc_loss(*maps, window=3), ncc_loss):
        together = loss(fixed, moving, masks)
        alone = loss([m[:1] for m in fixed], [m[:1] for m in moving], [m[:1] for m in masks])
        torch.testing.assert_close(together[:1], alone)
