"""Tests of ``striq.registration.matching``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.registration.affine import pixel_grid
from striq.registration.matching import match_globally, match_locally
from striq.registration.vectors import unit_vectors

SHARP = torch.tensor(60.0)


@pytest.fixture
def features() -> Tensor:
    """Unit vectors that are all different: shape (1, 32, 9, 9)."""
    generator = torch.Generator().manual_seed(2)
    return F.normalize(torch.randn(1, 32, 9, 9, generator=generator), dim=1)


def everywhere(features: Tensor) -> Tensor:
    return torch.ones(1, 1, *features.shape[2:])


def test_shift_by_whole_cells_is_found_globally_and_locally(features: Tensor) -> None:
    moving = torch.roll(features, (1, -2), (2, 3))  # content of the fixed map lies 1 row lower, 2 columns to the left
    shift = torch.tensor([-2.0, 1.0]) * 2 / 9
    interior = (slice(None), torch.arange(81).view(9, 9)[2:7, 2:7].flatten())
    for found in (
        match_globally(features, moving, everywhere(moving), SHARP),
        match_locally(features, moving, everywhere(moving), SHARP, radius=2),
    ):
        offset = (found.matches - found.points)[interior]
        torch.testing.assert_close(offset, shift.expand_as(offset), atol=0.02, rtol=0)
        assert float(found.confidence[interior].min()) > 0.9


def test_equal_features_everywhere_give_no_confidence() -> None:
    flat = F.normalize(torch.ones(1, 4, 6, 6), dim=1)
    found = match_globally(flat, flat, everywhere(flat), SHARP)
    torch.testing.assert_close(found.confidence, torch.zeros(1, 36), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.matches, torch.zeros(1, 36, 2), atol=1e-5, rtol=0)


def test_locations_outside_the_fan_are_never_matched(features: Tensor) -> None:
    mask = everywhere(features)
    mask[..., :5, :] = 0
    found = match_globally(features, features, mask, SHARP)
    assert float(found.probability[0, :, :45].max()) == 0.0
    assert float(found.matches[..., 1].min()) > 0


def test_no_candidate_at_all_stays_finite_and_unsure(features: Tensor) -> None:
    found = match_locally(features, features, 0 * everywhere(features), SHARP, radius=1)
    assert bool(torch.isfinite(found.matches).all())
    assert float(found.confidence.max()) < 1e-5


def test_local_matches_equal_global_ones_restricted_to_the_window(features: Tensor) -> None:
    generator = torch.Generator().manual_seed(9)
    moving = F.normalize(torch.randn(1, 32, 9, 9, generator=generator), dim=1)
    found = match_locally(features, moving, everywhere(moving), torch.tensor(5.0), radius=2)
    points = pixel_grid(9, 9, features).numpy()
    fixed, other = features[0].flatten(1).T.numpy(), moving[0].flatten(1).T.numpy()
    for index in (40, 30, 50):  # cells whose window lies inside the map
        row, column = divmod(index, 9)
        window = [r * 9 + c for r in range(row - 2, row + 3) for c in range(column - 2, column + 3)]
        weight = np.exp(5.0 * other[window] @ fixed[index])
        expected = (weight[:, None] * points[window]).sum(axis=0) / weight.sum()
        np.testing.assert_allclose(found.matches[0, index].numpy(), expected, atol=1e-5)


def test_stride_takes_the_first_of_every_few_rows_and_columns() -> None:
    generator = torch.Generator().manual_seed(5)
    fixed, moving = (unit_vectors(torch.randn(1, 4, 6, 8, generator=generator)) for _ in range(2))
    every = match_locally(fixed, moving, everywhere(moving), SHARP, radius=2)
    some = match_locally(fixed, moving, everywhere(moving), SHARP, radius=2, stride=2)
    chosen = torch.arange(48).view(6, 8)[::2, ::2].flatten()
    torch.testing.assert_close(some.points, every.points[chosen])
    torch.testing.assert_close(some.matches, every.matches[:, chosen])
    torch.testing.assert_close(some.confidence, every.confidence[:, chosen])
