"""Tests of ``striq.scoring.cpu.matching``: the same as ``striq.registration.matching``, anchor by anchor."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from striq.registration.affine import pixel_grid
from striq.registration.matching import match_globally, match_locally
from striq.registration.vectors import unit_vectors
from striq.scoring.cpu.matching import LARGEST_SHARPNESS, GlobalMatcher, LocalMatcher

ANCHORS, CHANNELS, SHARP = 3, 6, 12.0


def drawn(count: int, size: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Unit vectors and a fan that covers part of each map."""
    generator = torch.Generator().manual_seed(seed)
    maps = unit_vectors(torch.randn(count, CHANNELS, *size, generator=generator))
    masks = (torch.rand(count, 1, *size, generator=generator) > 0.3).float()
    return maps, masks


def table(moving: Tensor, masks: Tensor) -> Tensor:
    """Vectors and share of the fan, cell by cell, and a last row of anything."""
    cells = torch.cat([moving, masks], dim=1).flatten(2).permute(2, 0, 1)
    return torch.cat([cells, torch.full_like(cells[:1], 0.7)])


def test_global_matches_are_those_of_the_plain_way() -> None:
    size = (5, 7)
    (fixed, _), (moving, masks) = drawn(1, size, 0), drawn(ANCHORS, size, 1)
    moving = moving * masks
    plain = match_globally(fixed.expand(ANCHORS, -1, -1, -1), moving, masks, torch.tensor(SHARP))
    matcher = GlobalMatcher(moving, masks, pixel_grid(*size, fixed))
    found = matcher.match(fixed[0].flatten(1).t(), SHARP)
    torch.testing.assert_close(found.expected.permute(2, 0, 1), plain.matches, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.confidence.t(), plain.confidence, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("radius", "stride"), [(1, 1), (2, 2), (3, 1), (2, 4)])
@pytest.mark.parametrize("size", [(8, 8), (16, 8), (12, 20)])
def test_local_matches_are_those_of_the_plain_way(size: tuple[int, int], radius: int, stride: int) -> None:
    (fixed, _), (moving, masks) = drawn(1, size, 2), drawn(ANCHORS, size, 3)
    plain = match_locally(
        fixed.expand(ANCHORS, -1, -1, -1), moving, masks, torch.tensor(SHARP), radius=radius, stride=stride
    )
    matcher = LocalMatcher(size, radius, stride, fixed)
    warped = table(moving, masks)
    blocks = torch.arange(len(matcher.cells))
    cells = matcher.cells.flatten()
    found = matcher.match(fixed[0, :, ::stride, ::stride].flatten(1).t()[cells], warped, blocks, SHARP)
    assert sorted(cells.tolist()) == list(range(len(plain.points)))
    torch.testing.assert_close(found.confidence.t(), plain.confidence[:, cells], atol=1e-5, rtol=0)
    sure = plain.confidence[:, cells] > 1e-3  # where there was no candidate the answer does not count
    expected = (plain.matches - plain.points)[:, cells]
    torch.testing.assert_close(found.expected.permute(2, 0, 1)[sure], expected[sure], atol=1e-5, rtol=0)


@pytest.mark.parametrize("towards", [1.0, -1.0])
def test_the_largest_sharpness_neither_overflows_nor_vanishes(towards: float) -> None:
    size = (64, 64)
    fixed = torch.zeros(1, CHANNELS, *size)
    fixed[:, 0] = 1.0
    moving, masks = towards * fixed.expand(2, -1, -1, -1), torch.ones(2, 1, *size)
    masks[1, :, :, 32:] = 0
    points = pixel_grid(*size, fixed)
    found = GlobalMatcher(moving * masks, masks, points).match(fixed[0].flatten(1).t()[:3], LARGEST_SHARPNESS)
    torch.testing.assert_close(found.expected[:, :, 0], torch.zeros(3, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.expected[:, :, 1], torch.tensor([-0.5, 0.0]).expand(3, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.confidence[:, 0], torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.confidence[:, 1], torch.full((3,), 1 / 12), atol=1e-3, rtol=0)


def test_nothing_is_matched_where_no_cell_may_be() -> None:
    (fixed, _), (moving, masks) = drawn(1, (8, 8), 4), drawn(ANCHORS, (8, 8), 5)
    masks[0] = 0
    matcher = LocalMatcher((8, 8), 2, 1, fixed)
    warped = table(moving, masks)
    vectors = fixed[0].flatten(1).t()[matcher.cells.flatten()]
    found = matcher.match(vectors, warped, torch.arange(len(matcher.cells)), SHARP)
    assert found.confidence[:, 0].max() == 0
    assert found.confidence[:, 1].max() > 0.05


def test_blocks_outside_the_fan_are_left_out() -> None:
    fixed, _ = drawn(1, (16, 16), 6)
    matcher = LocalMatcher((16, 16), 3, 1, fixed)
    mask = torch.zeros(16, 16)
    mask[3, 12] = 0.6
    touched = matcher.touched(mask)
    assert len(touched) == 1
    assert 3 * 16 + 12 in matcher.cells[touched].flatten().tolist()
