"""Tests of ``striq.registration.vectors``."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from striq.registration.vectors import unit_vectors


@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (2, 5, 7)])
def test_vectors_are_those_of_the_library(shape: tuple[int, ...]) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(unit_vectors(maps), F.normalize(maps, dim=1))


def test_zero_stays_zero_and_has_a_finite_gradient() -> None:
    maps = torch.zeros(1, 3, 2, 2, requires_grad=True)
    unit = unit_vectors(maps)
    unit.sum().backward()
    assert maps.grad is not None
    assert not unit.any()
    assert bool(torch.isfinite(maps.grad).all())
