"""Tests of ``striq.registration.affine``."""

from __future__ import annotations

import pytest
import torch

from striq.registration.affine import (
    compose_affine,
    identity_affine,
    invert_affine,
    pixel_grid,
    transform_points,
    warp,
)

IDENTITY = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
PULL_FROM_RIGHT = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])  # one pixel of a 4x4 map
QUARTER_TURN = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])


@pytest.fixture
def bright_pixel() -> torch.Tensor:
    """A 4x4 map that is zero except at row 1, column 2."""
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 1, 2] = 1.0
    return image


def test_identity_leaves_map_unchanged(bright_pixel: torch.Tensor) -> None:
    torch.testing.assert_close(warp(bright_pixel, IDENTITY), bright_pixel)


def test_convention_positive_offset_moves_content_left(bright_pixel: torch.Tensor) -> None:
    warped = warp(bright_pixel, PULL_FROM_RIGHT)
    assert warped[0, 0].nonzero().tolist() == [[1, 1]]


def test_convention_outside_reads_as_zero() -> None:
    warped = warp(torch.ones(1, 1, 4, 4), PULL_FROM_RIGHT)
    assert warped[0, 0, :, -1].tolist() == [0.0] * 4


def test_composition_equals_two_warps_in_order(bright_pixel: torch.Tensor) -> None:
    # Rotation and shift do not commute, so this fails if the product is reversed.
    in_two_steps = warp(warp(bright_pixel, PULL_FROM_RIGHT), QUARTER_TURN)
    in_one_step = warp(bright_pixel, compose_affine(PULL_FROM_RIGHT, QUARTER_TURN))
    torch.testing.assert_close(in_one_step, in_two_steps)
    assert not torch.allclose(in_one_step, warp(bright_pixel, compose_affine(QUARTER_TURN, PULL_FROM_RIGHT)))


def test_warp_is_differentiable() -> None:
    generator = torch.Generator().manual_seed(0)
    moving = torch.rand(1, 2, 5, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    # No sample may fall on a pixel center: bilinear interpolation has a kink there.
    transform = torch.tensor([[[0.83, 0.11, 0.037], [-0.13, 0.87, 0.071]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(warp, (moving, transform))


def test_transform_of_wrong_shape_is_refused(bright_pixel: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"must have shape \(1, 2, 3\).*got \(1, 3, 3\)"):
        warp(bright_pixel, torch.eye(3)[None])


def random_transforms(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.eye(2, 3) + 0.3 * torch.randn(count, 2, 3, generator=generator)


def test_inverse_composed_with_the_transform_is_the_identity() -> None:
    transforms = random_transforms(5)
    identity = torch.eye(2, 3).expand(5, 2, 3)
    torch.testing.assert_close(compose_affine(transforms, invert_affine(transforms)), identity, atol=1e-5, rtol=0)


def test_composition_maps_points_by_the_second_then_the_first() -> None:
    first, second = random_transforms(4)[:2], random_transforms(4)[2:]
    points = torch.tensor([[0.3, -0.2], [0.9, 0.4]])
    in_two_steps = transform_points(first, transform_points(second, points))
    torch.testing.assert_close(transform_points(compose_affine(first, second), points), in_two_steps)


def test_convention_pixel_grid_is_that_of_grid_sample() -> None:
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], [1, 1, 3, 5], align_corners=False)
    torch.testing.assert_close(pixel_grid(3, 5, grid), grid.view(15, 2))


def test_identity_has_one_matrix_per_map() -> None:
    assert identity_affine(3, torch.zeros(1)).tolist() == [torch.eye(2, 3).tolist()] * 3
