"""Appearance matching sets statistics of features inside the fan, and nothing else."""

from __future__ import annotations

import pytest
import torch

from striq.model.network import Pyramid
from striq.quality.appearance import Appearance, match_appearance

CHANNELS = (3, 4, 5)


@pytest.fixture
def features() -> Pyramid:
    """Return random features of four frames with an empty border."""
    generator = torch.Generator().manual_seed(5)
    maps = [torch.randn(4, channels, 8, 8, generator=generator) * 3 + 1 for channels in CHANNELS]
    masks = [torch.ones(4, 1, 8, 8) for _ in CHANNELS]
    for mask in masks:
        mask[..., :2] = 0
    return Pyramid(tuple(maps), tuple(masks))


def test_share_of_zero_changes_nothing(features: Pyramid) -> None:
    matched = match_appearance(features, Appearance.of(features[0]), 0.0)
    assert all(torch.equal(a, b) for a, b in zip(matched.maps, features.maps, strict=True))


def test_full_share_gives_the_statistics_of_the_reference(features: Pyramid) -> None:
    reference = Appearance.of(features[:2]).mean()
    found = Appearance.of(match_appearance(features[2:], reference, 1.0))
    for own, expected in zip(found.means + found.deviations, reference.means + reference.deviations, strict=True):
        torch.testing.assert_close(own, expected.expand_as(own), atol=1e-4, rtol=1e-4)


def test_statistics_are_those_of_the_fan_alone(features: Pyramid) -> None:
    inside = features.maps[0][:, :, :, 2:].double().numpy()
    found = Appearance.of(features)
    torch.testing.assert_close(
        found.means[0][:, :, 0, 0].double(), torch.from_numpy(inside.mean(axis=(2, 3))), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        found.deviations[0][:, :, 0, 0].double(), torch.from_numpy(inside.std(axis=(2, 3))), atol=1e-5, rtol=1e-5
    )


def test_features_outside_the_fan_and_masks_stay(features: Pyramid) -> None:
    matched = match_appearance(features, Appearance.of(features[0]), 0.7)
    for before, after in zip(features.maps, matched.maps, strict=True):
        assert torch.equal(before[..., :2], after[..., :2])
        assert not torch.allclose(before[1:, ..., 2:], after[1:, ..., 2:])
    assert matched.masks is features.masks


def test_scale_and_offset_of_channels_are_undone_by_a_full_share(features: Pyramid) -> None:
    reference = Appearance.of(features).mean()
    other = Pyramid(tuple(maps * 2.5 - 4 for maps in features.maps), features.masks)
    for own, same in zip(
        match_appearance(features, reference, 1.0).maps, match_appearance(other, reference, 1.0).maps, strict=True
    ):
        torch.testing.assert_close(own[..., 2:], same[..., 2:], atol=1e-4, rtol=1e-4)


def test_a_frame_does_not_depend_on_the_others(features: Pyramid) -> None:
    reference = Appearance.of(features[0])
    together = match_appearance(features, reference, 0.5)
    for number in range(len(features)):
        alone = match_appearance(features[number], reference, 0.5)
        for all_maps, maps in zip(together.maps, alone.maps, strict=True):
            torch.testing.assert_close(all_maps[number : number + 1], maps, atol=1e-6, rtol=1e-6)


def test_frames_without_a_fan_or_without_variance_are_finite(features: Pyramid) -> None:
    flat = Pyramid(tuple(torch.ones_like(maps) for maps in features.maps), tuple(m * 0 for m in features.masks))
    reference = Appearance.of(features).mean()
    assert all(torch.isfinite(maps).all() for maps in match_appearance(flat, reference, 0.5).maps)
    constant = Pyramid(flat.maps, features.masks)
    assert all(torch.isfinite(maps).all() for maps in match_appearance(constant, reference, 0.5).maps)
