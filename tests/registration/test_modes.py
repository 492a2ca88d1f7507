"""Tests of ``striq.registration.modes``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from striq.registration.affine import transform_points
from striq.registration.modes import MODES, fit_transform
from tests.references.least_squares import NUM_PARAMETERS, family, fit

TINY = 1e-9


def scattered(count: int = 60) -> tuple[Tensor, Tensor]:
    """Points off center, and uneven weights that sum to one."""
    generator = torch.Generator().manual_seed(11)
    points = 1.6 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 0.6
    weights = torch.rand(1, count, generator=generator, dtype=torch.float64)
    return points, weights / weights.sum()


def member(mode: str, seed: int) -> Tensor:
    values = 0.25 * np.random.default_rng(seed).standard_normal(NUM_PARAMETERS[mode])
    return torch.from_numpy(family(mode, values))[None]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", MODES)
def test_exact_matches_give_back_the_transform(mode: str, seed: int) -> None:
    points, weights = scattered()
    known = member(mode, seed)
    found = fit_transform(points, transform_points(known, points), weights, mode=mode, ridge=TINY)
    torch.testing.assert_close(found, known, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_noisy_matches_agree_with_a_numerical_minimizer(mode: str) -> None:
    points, weights = scattered()
    noise = torch.randn(60, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    matches = transform_points(member("affine", 7), points) + 0.1 * noise
    found = fit_transform(points, matches, weights, mode=mode, ridge=TINY)[0]
    expected = fit(mode, points.numpy(), matches[0].numpy(), weights[0].numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_no_evidence_gives_the_identity_exactly(mode: str) -> None:
    points, weights = scattered()
    matches = torch.rand(1, 60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = fit_transform(points, matches, 0 * weights, mode=mode, ridge=0.01)
    torch.testing.assert_close(found[0], torch.eye(2, 3, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_finite_with_and_without_evidence(mode: str) -> None:
    points, weights = scattered()
    matches = points[None].clone().requires_grad_()
    for factor in (0.0, 1.0):
        (gradient,) = torch.autograd.grad(
            fit_transform(points, matches, factor * weights, mode=mode, ridge=0.01).sum(), matches
        )
        assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("mode", MODES)
def test_a_pair_does_not_depend_on_the_rest_of_the_batch(mode: str) -> None:
    points, weights = scattered()
    matches = torch.cat([transform_points(member("affine", seed), points) for seed in range(3)])
    together = fit_transform(points, matches, weights.repeat(3, 1), mode=mode, ridge=0.01)
    alone = fit_transform(points, matches[1:2], weights, mode=mode, ridge=0.01)
    torch.testing.assert_close(together[1:2], alone)


def test_convention_rotation_scale_is_a_product_and_not_the_published_matrix() -> None:
    points, weights = scattered()
    angle, sx, sy = 0.5, 1.3, 0.8
    c, s = np.cos(angle), np.sin(angle)
    published = torch.tensor([[[sx * c, -s, 0.0], [s, sy * c, 0.0]]], dtype=torch.float64)
    found = fit_transform(points, transform_points(published, points), weights, mode="rotation_scale", ridge=TINY)[0]
    columns = found[:, :2]
    assert abs(float(columns[:, 0] @ columns[:, 1])) < 1e-9  # R diag(sx, sy) has orthogonal columns
    assert float((found - published[0]).abs().max()) > 0.05


def test_larger_ridge_pulls_closer_to_the_identity() -> None:
    points, weights = scattered()
    matches = transform_points(member("affine", 1), points)
    identity = torch.eye(2, 3, dtype=torch.float64)
    distances = [
        float((fit_transform(points, matches, weights, mode="affine", ridge=r) - identity).norm())
        for r in (0.01, 0.1, 1)
    ]
    assert distances == sorted(distances, reverse=True)


def test_unknown_mode_and_empty_ridge_are_refused() -> None:
    points, weights = scattered()
    with pytest.raises(ValueError, match="'mode' must be one of affine"):
        fit_transform(points, points[None], weights, mode="bend", ridge=0.1)
    with pytest.raises(ValueError, match="'ridge' must be above 0"):
        fit_transform(points, points[None], weights, mode="affine", ridge=0.0)
