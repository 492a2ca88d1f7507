"""Tests of the stability of anchors and of the terms that are weighted by it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from striq.config import QualityConfig
from striq.evaluation.studies.benchmark import bench_frames, bench_scorer
from striq.model.network import Pyramid
from striq.quality.consistency import clarity, right_plane
from striq.quality.pair_moments import (
    STABILITY_POWERS,
    RegisteredPairs,
    location_products,
    location_weight,
    unit_moments,
)
from striq.registration.affine import identity_affine
from striq.scoring.scorer import StriqScorer
from striq.scoring.stability import agreement_with_others, set_stability

SIZE = (64, 64)
ONE_SIDE = torch.zeros(4, dtype=torch.bool)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def anchors_that_agree_on_the_left() -> Pyramid:
    """Return four anchors with equal features on the left and random ones on the right."""
    maps = tuple(torch.randn(4, 6, size, size, generator=rng(size)) for size in (16, 8, 4))
    for values in maps:
        values[1:, :, :, : values.shape[3] // 2] = values[:1, :, :, : values.shape[3] // 2]
    return Pyramid(maps, tuple(torch.ones(4, 1, size, size) for size in (16, 8, 4)))


def identity(count: int) -> Tensor:
    return identity_affine(count, torch.zeros(1))


def test_stability_is_high_where_anchors_agree() -> None:
    for maps in agreement_with_others(anchors_that_agree_on_the_left(), identity(4), 2, ONE_SIDE):
        half = maps.shape[3] // 2
        torch.testing.assert_close(maps[..., :half], torch.ones_like(maps[..., :half]))
        assert maps[..., half:].mean() < 0.4
        assert maps.min() >= 0


def test_stability_equals_a_loop() -> None:
    anchors = anchors_that_agree_on_the_left()
    found = agreement_with_others(anchors, identity(4), 1, ONE_SIDE)[1]
    for y, x in itertools.product(range(8), range(8)):
        cosines = [
            torch.cosine_similarity(anchors.maps[1][i, :, y, x], anchors.maps[1][1, :, y, x], 0) for i in (0, 2, 3)
        ]
        assert float(found[0, 0, y, x]) == pytest.approx(max(0.0, float(sum(cosines)) / 3), abs=1e-5)


def test_anchors_that_face_the_other_way_do_not_count() -> None:
    anchors = anchors_that_agree_on_the_left()
    side = torch.tensor([False, False, True, True])
    found = agreement_with_others(anchors, identity(4), 0, side)
    alone = Pyramid(tuple(m[:2] for m in anchors.maps), tuple(m[:2] for m in anchors.masks))
    expected = agreement_with_others(alone, identity(2), 0, side[:2])
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_anchor_without_others_is_stable_everywhere() -> None:
    side = torch.tensor([True, False, False, False])
    for maps in agreement_with_others(anchors_that_agree_on_the_left(), identity(4), 0, side):
        assert bool((maps == 1).all())


@pytest.fixture
def scorer() -> StriqScorer:
    flat = bench_scorer(1, 4, size=SIZE)
    flat.bank.set_stability(0, [torch.ones_like(maps) for maps in flat.bank.stability(0)])
    return flat


def test_bank_keeps_the_stability_in_a_checkpoint(scorer: StriqScorer) -> None:
    set_stability(scorer, 0, ONE_SIDE)
    assert any(bool((maps < 1).any()) for maps in scorer.bank.stability(0))
    other = StriqScorer(["x"])
    other.load_state_dict(scorer.state_dict())
    for before, after in zip(scorer.bank.stability(0), other.bank.stability(0), strict=True):
        assert torch.equal(before, after)


def test_weights_change_only_the_terms_that_use_them(scorer: StriqScorer) -> None:
    frozen = scorer.embed(bench_frames(1, size=SIZE).flip(3))
    flat = scorer.engine.pair_terms(frozen, 0).terms
    set_stability(scorer, 0, ONE_SIDE)
    weighted = scorer.engine.pair_terms(frozen, 0).terms
    changed = (flat - weighted).abs().amax(dim=(0, 1)) > 1e-5
    names = [name for name, c in zip(scorer.term_names, changed.tolist(), strict=False) if c]
    assert names == ["clarity"]
    torch.testing.assert_close(scorer.engine.pair_terms(frozen, 0, weighted=False).terms, flat)


def pairs_of(moving: Tensor, fixed: Tensor, stability: Tensor) -> RegisteredPairs:
    products = location_products(moving, fixed, torch.ones_like(stability), stability)
    units = {
        stage: unit_moments(moving, fixed, location_weight(stability, stage), products) for stage in STABILITY_POWERS
    }
    return RegisteredPairs([products, products, products], {}, units, [])


@pytest.mark.parametrize(("term", "power"), [(right_plane, 0), (clarity, 2)])
def test_terms_equal_numpy_with_a_power_of_the_stability_as_weights(term: Callable[..., Tensor], power: int) -> None:
    moving, fixed = torch.randn(2, 1, 5, 6, 7, generator=rng())
    stability = torch.rand(1, 1, 6, 7, generator=rng())
    stability[..., :2] = 0  # not covered
    weights = ((stability > 0) * stability**power).flatten().numpy()
    a, b = ((maps / maps.norm(dim=1, keepdim=True))[0].flatten(1).numpy() for maps in (moving, fixed))
    moments = [np.cov(x, y, ddof=0, aweights=weights) for x, y in zip(a, b, strict=True)]
    covariance, first, second = (sum(float(m[i, j]) for m in moments) for i, j in ((0, 1), (0, 0), (1, 1)))
    found = term(pairs_of(moving, fixed, stability), QualityConfig())
    assert float(found) == pytest.approx(-covariance / np.sqrt(first * second), abs=1e-5)


@pytest.mark.parametrize("term", [right_plane, clarity])
def test_brightness_of_places_does_not_matter(term: Callable[..., Tensor]) -> None:
    moving, fixed = torch.randn(2, 1, 5, 6, 7, generator=rng())
    stability = torch.rand(1, 1, 6, 7, generator=rng())
    louder = fixed * (0.5 + 3 * torch.rand(1, 1, 6, 7, generator=rng()))
    first, second = (term(pairs_of(moving, other, stability), QualityConfig()) for other in (fixed, louder))
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


@pytest.mark.parametrize("term", [right_plane, clarity])
def test_what_all_places_have_in_common_does_not_count(term: Callable[..., Tensor]) -> None:
    generator, common = rng(), 5 * torch.ones(1, 5, 1, 1)
    moving, fixed = (common + torch.randn(1, 5, 16, 16, generator=generator) for _ in range(2))
    pairs = pairs_of(moving, fixed, torch.ones(1, 1, 16, 16))
    assert abs(float(term(pairs, QualityConfig()))) < 0.2
    assert float(pairs.stages[0].cosine().mean()) > 0.8


@pytest.mark.parametrize("term", [right_plane, clarity])
def test_a_place_that_the_anchor_does_not_cover_does_not_count(term: Callable[..., Tensor]) -> None:
    moving, fixed = torch.randn(2, 1, 5, 6, 7, generator=rng())
    stability = torch.rand(1, 1, 6, 7, generator=rng())
    stability[..., 4:] = 0
    other = fixed.clone()
    other[..., 4:] = 7
    first, second = (term(pairs_of(moving, maps, stability), QualityConfig()) for maps in (fixed, other))
    torch.testing.assert_close(first, second)


def test_clarity_sees_stable_structure_and_not_the_rest() -> None:
    moving = torch.randn(1, 5, 8, 8, generator=rng())
    stability = torch.zeros(1, 1, 8, 8)
    stability[..., :4] = 1
    elsewhere, there = moving.clone(), moving.clone()
    elsewhere[..., 4:] *= -1
    there[..., :4] *= -1
    scores = [
        float(clarity(pairs_of(moving, other, stability), QualityConfig())) for other in (moving, elsewhere, there)
    ]
    assert scores[0] == pytest.approx(scores[1]) == pytest.approx(-1, abs=1e-4)
    assert scores[2] == pytest.approx(1, abs=1e-4)


def test_a_place_where_the_anchors_do_not_agree_at_all_does_not_count_for_the_plane() -> None:
    stability = torch.tensor([0.0, 0.1, 1.0])
    assert location_weight(stability, 2).tolist() == [0, 1, 1]
    assert location_weight(stability, 1).tolist() == pytest.approx([0, 0.01, 1])
