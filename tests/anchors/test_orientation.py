"""Tests of ``striq.anchors.orientation``."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from striq.anchors.orientation import SMALLEST_GAIN, find_orientation, layout
from striq.model.network import Pyramid


def layouts(mirrored: Tensor, *, noise: float) -> tuple[Tensor, Tensor]:
    """Return layouts of frames, some of which face the other way, and of their mirror images."""
    generator = torch.Generator().manual_seed(1)
    one, other = torch.nn.functional.normalize(torch.randn(2, 50, generator=generator), dim=1)
    frames, images = torch.where(mirrored[:, None], other, one), torch.where(mirrored[:, None], one, other)
    spread = noise * torch.randn(2, len(mirrored), 50, generator=generator)
    return frames + spread[0], images + spread[1]


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_frames_that_face_the_other_way_are_found() -> None:
    mirrored = torch.arange(40) % 3 == 0
    found = find_orientation(*layouts(mirrored, noise=0.1), rng())
    assert torch.equal(found.mirrored, mirrored)
    assert found.both_sides


def test_sides_of_other_frames_are_told_by_the_same_rule() -> None:
    mirrored = torch.arange(60) % 3 == 0
    frames, images = layouts(mirrored, noise=0.1)
    found = find_orientation(frames[:40], images[:40], rng())
    assert torch.equal(found.mirrored_among(frames[40:], images[40:]), mirrored[40:])
    assert torch.equal(found.mirrored_among(frames[:40], images[:40]), found.mirrored)


def test_plane_recorded_from_one_side_stays_as_it_is() -> None:
    found = find_orientation(*layouts(torch.zeros(40, dtype=torch.bool), noise=0.1), rng())
    assert not found.mirrored.any()
    assert found.gain == pytest.approx(1, abs=1e-6)
    assert not found.both_sides


def test_symmetric_plane_gains_nothing_by_mirroring() -> None:
    frames = torch.randn(40, 50, generator=rng()) * 0.2 + 1
    assert find_orientation(frames, frames.clone(), rng()).gain < SMALLEST_GAIN


def test_layout_does_not_depend_on_gain_and_mean() -> None:
    maps = tuple(torch.randn(2, 4, size, size, generator=rng()) for size in (64, 32, 16))
    masks = tuple(torch.ones(2, 1, size, size) for size in (64, 32, 16))
    brighter = tuple(3 * values + 1 for values in maps)
    torch.testing.assert_close(layout(Pyramid(brighter, masks)), layout(Pyramid(maps, masks)))
