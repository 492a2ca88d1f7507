"""Tests of ``striq.scoring.cpu.matching``: the same as ``striq.registration.matching``, anchor by anchor."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.registration.affine import pixel_grid
from striq.registration.matching import match_globally, match_locally
from striq.registration.vectors import unit_vectors
from striq.scoring.cpu.matching import LARGEST_SHARPNESS, STRIP, GlobalMatcher, LocalMatcher, Strips

ANCHORS, CHANNELS, SHARP = 3, 6, 12.0
BEYOND = 20  # cells around the maps that windows may reach


def drawn(count: int, size: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Unit vectors and a fan that covers part of each map."""
    generator = torch.Generator().manual_seed(seed)
    maps = unit_vectors(torch.randn(count, CHANNELS, *size, generator=generator))
    masks = (torch.rand(count, 1, *size, generator=generator) > 0.3).float()
    return maps, masks


def read_at(strips: Strips, moving: Tensor, masks: Tensor) -> Tensor:
    """Vectors and share of the fan at the places of strips, and anything beyond the maps, shape ``(N, K, C + 1)``."""
    cells = F.pad(torch.cat([moving, masks], dim=1), [BEYOND] * 4, value=0.7)
    columns, rows, _ = strips.places.long() + BEYOND
    return cells[:, :, rows, columns].permute(2, 0, 1).contiguous()


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
    strips = matcher.strips(torch.ones(size))
    found = matcher.match(fixed[0].flatten(1).t()[strips.cells], read_at(strips, moving, masks), strips, SHARP)
    matched = torch.arange(size[0] * size[1]).view(size)[::stride, ::stride].flatten()
    assert sorted(strips.cells.tolist()) == matched.tolist()
    cells = torch.searchsorted(matched, strips.cells)
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
    strips = matcher.strips(torch.ones(8, 8))
    vectors = fixed[0].flatten(1).t()[strips.cells]
    found = matcher.match(vectors, read_at(strips, moving, masks), strips, SHARP)
    assert found.confidence[:, 0].max() == 0
    assert found.confidence[:, 1].max() > 0.05


@pytest.mark.parametrize("stride", [1, 2])
def test_rows_and_strips_outside_the_fan_are_left_out(stride: int) -> None:
    fixed, _ = drawn(1, (32, 32), 6)
    matcher = LocalMatcher((32, 32), 3, stride, fixed)
    mask = torch.zeros(32, 32)
    mask[6, 20] = mask[10, 22] = 0.6
    strips = matcher.strips(mask)
    rows, columns = strips.cells // 32, strips.cells % 32
    assert (int(rows.min()), int(rows.max())) == (6, 10)
    assert {20, 22} <= set(columns.tolist())
    assert len(strips.shapes) == 1
    assert len(strips.cells) <= STRIP * 5


def test_a_fan_without_matched_cells_has_no_strips() -> None:
    fixed, _ = drawn(1, (8, 8), 6)
    matcher = LocalMatcher((8, 8), 2, 2, fixed)
    mask = torch.zeros(8, 8)
    mask[3, 5] = 1.0  # stride 2 matches even rows and columns
    strips = matcher.strips(mask)
    assert len(strips.cells) == strips.places.shape[1] == 0
    found = matcher.match(fixed[0].flatten(1).t()[strips.cells], torch.zeros(0, ANCHORS, CHANNELS + 1), strips, SHARP)
    assert found.confidence.shape == (0, ANCHORS)
