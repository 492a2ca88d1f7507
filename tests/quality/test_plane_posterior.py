"""Tests of ``striq.quality.plane_posterior``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from striq.errors import StriqError
from striq.model.network import Pyramid
from striq.quality.plane_posterior import EVEN_SHARE, OWN_SHARE, PlaneDensities, frame_descriptor

CHANNELS = (2, 3, 4)
SIZE = 2 * sum(CHANNELS) + 16 * sum(CHANNELS[:2])


def pyramid(seed: int = 0, frames: int = 3) -> Pyramid:
    generator = torch.Generator().manual_seed(seed)
    maps = [torch.randn(frames, c, s, s, generator=generator) for c, s in zip(CHANNELS, (16, 8, 4), strict=True)]
    masks = [torch.ones(frames, 1, s, s) for s in (16, 8, 4)]
    for mask in masks:
        mask[:, :, :, 0] = 0
    return Pyramid(tuple(maps), tuple(masks))


def frames_of(plane: int, count: int, seed: int) -> torch.Tensor:
    """Descriptors of one plane: its own center, and its own directions in which frames differ."""
    of_plane = torch.Generator().manual_seed(plane)
    center, mixing = torch.randn(SIZE, generator=of_plane), torch.randn(6, SIZE, generator=of_plane)
    generator = torch.Generator().manual_seed(1000 + seed)
    noise = 0.3 * torch.randn(count, SIZE, generator=generator)
    return center + torch.randn(count, 6, generator=generator) @ mixing + noise


def groups_of(count: int) -> list[str]:
    return [f"group_{i // 2}" for i in range(count)]


@pytest.fixture
def densities() -> PlaneDensities:
    module = PlaneDensities(3, CHANNELS)
    some = {plane: frames_of(plane, 80, plane) for plane in (0, 1)}
    module.fit_directions(torch.cat(list(some.values())))
    module.fit(some, {plane: groups_of(80) for plane in some})
    return module


def of_two(module: PlaneDensities, descriptors: torch.Tensor) -> torch.Tensor:
    """The posterior as if the third plane, not yet fitted, were not there."""
    two = PlaneDensities(2, CHANNELS)
    two.load_state_dict({n: v[:2] if len(v.shape) and len(v) == 3 else v for n, v in module.state_dict().items()})
    return two(descriptors)


def test_convention_gain_does_not_change_the_descriptor() -> None:
    plain = pyramid()
    louder = Pyramid(tuple(3 * m for m in plain.maps), plain.masks)
    assert frame_descriptor(plain).shape == (3, SIZE)
    torch.testing.assert_close(frame_descriptor(louder), frame_descriptor(plain))


def test_what_lies_outside_the_fan_does_not_count() -> None:
    plain = pyramid()
    changed = Pyramid(
        tuple(torch.where(k > 0, m, 9.0) for m, k in zip(plain.maps, plain.masks, strict=True)), plain.masks
    )
    torch.testing.assert_close(frame_descriptor(changed), frame_descriptor(plain))


def test_descriptor_knows_where_tissue_lies() -> None:
    plain = pyramid()
    flipped = Pyramid(tuple(m.flip(2) for m in plain.maps), plain.masks)
    assert (frame_descriptor(flipped) - frame_descriptor(plain)).abs().max() > 0.05


def test_descriptor_of_a_frame_does_not_depend_on_its_batch() -> None:
    plain = pyramid()
    torch.testing.assert_close(frame_descriptor(plain[1])[0], frame_descriptor(plain)[1])


def test_planes_are_weighed_by_their_normal_densities(densities: PlaneDensities) -> None:
    entries = [densities.entries(frames_of(plane, 80, plane)).double().numpy() for plane in (0, 1)]
    own = [np.cov(part.T) for part in entries]
    shared = (own[0] + own[1]) / 2
    even = np.trace(shared) / len(shared) * np.eye(len(shared))
    query = frames_of(0, 5, seed=50) * 0.5 + frames_of(1, 5, seed=51) * 0.5
    logs = [
        multivariate_normal(
            part.mean(axis=0), (1 - EVEN_SHARE) * (OWN_SHARE * c + (1 - OWN_SHARE) * shared) + EVEN_SHARE * even
        ).logpdf(densities.entries(query).double().numpy())
        for part, c in zip(entries, own, strict=True)
    ]
    found = densities.log_densities(densities.distances(query))
    expected = torch.from_numpy(logs[0] - logs[1]).float()
    torch.testing.assert_close(found[:, 0] - found[:, 1], expected, atol=1e-2, rtol=1e-3)


def test_unseen_frames_are_given_their_plane_and_others_none(densities: PlaneDensities) -> None:
    for plane in (0, 1):
        answers = of_two(densities, frames_of(plane, 100, seed=20 + plane)).argmax(dim=1)
        assert (answers == plane).float().mean() > 0.85
    assert (of_two(densities, frames_of(7, 100, seed=30)).argmax(dim=1) == 2).float().mean() > 0.95


def test_probabilities_sum_to_one(densities: PlaneDensities) -> None:
    found = of_two(densities, torch.cat([frames_of(plane, 20, seed=40) for plane in (0, 1, 7)]))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(60))
    assert bool((found >= 0).all())


def test_a_plane_added_later_leaves_the_others_as_they_are(densities: PlaneDensities) -> None:
    before = {name: value.clone() for name, value in densities.state_dict().items()}
    densities.fit({2: frames_of(2, 60, seed=2)}, {2: groups_of(60)})
    after = densities.state_dict()
    for name, value in before.items():
        kept = slice(0, 2) if len(value.shape) and len(value) == 3 else slice(None)
        assert torch.equal(after[name][kept] if value.ndim else after[name], value[kept] if value.ndim else value)
    assert (densities(frames_of(2, 50, seed=60)).argmax(dim=1) == 2).float().mean() > 0.8
    assert (densities(frames_of(0, 50, seed=61)).argmax(dim=1) == 0).float().mean() > 0.8


def test_a_single_plane_still_refuses_what_it_has_not_seen() -> None:
    alone = PlaneDensities(1, CHANNELS)
    alone.fit_directions(frames_of(0, 80, seed=0))
    alone.fit({0: frames_of(0, 80, seed=0)}, {0: groups_of(80)})
    assert (alone(frames_of(0, 100, seed=5)).argmax(dim=1) == 0).float().mean() > 0.85
    assert (alone(frames_of(7, 100, seed=6)).argmax(dim=1) == 1).float().mean() > 0.95


def test_distance_of_unseen_frames_is_measured_on_whole_groups() -> None:
    # Frames of a group are alike: with a frame's siblings in the fit, every frame would look close.
    alike = frames_of(0, 20, seed=0).repeat(4, 1)
    alike = alike + 0.01 * torch.randn(alike.shape, generator=torch.Generator().manual_seed(1))
    by_group, by_frame = (PlaneDensities(1, CHANNELS) for _ in range(2))
    for module, groups in ((by_group, [str(i % 20) for i in range(80)]), (by_frame, [str(i) for i in range(80)])):
        module.fit_directions(alike)
        module.fit({0: alike}, {0: groups})
    assert by_group.typical[0, 0] > by_frame.typical[0, 0] + 0.1


@pytest.mark.parametrize("count", [3, 4, 7])
def test_few_frames_give_finite_answers(count: int) -> None:
    few = PlaneDensities(1, CHANNELS)
    few.fit_directions(frames_of(0, count, seed=0))
    few.fit({0: frames_of(0, count, seed=0)}, {0: ["same"] * count})
    assert bool(torch.isfinite(few(frames_of(0, 4, seed=1))).all())


def test_frames_that_are_all_alike_are_named_as_such() -> None:
    module = PlaneDensities(1, CHANNELS)
    alike = torch.ones(6, module.descriptor_mean.numel())
    module.fit_directions(alike)
    with pytest.raises(StriqError, match="do not differ from one another"):
        module.fit({0: alike}, {0: list("abcdef")})
