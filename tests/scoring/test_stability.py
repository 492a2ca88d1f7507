"""Tests of the stability of anchors and of the terms that are weighted by it."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from striq.config import QualityConfig
from striq.evaluation.studies.benchmark import bench_frames, bench_scorer
from striq.model.network import Pyramid
from striq.quality.consistency import CLARITY_POWER, clarity, right_plane
from striq.quality.pair_moments import RegisteredPairs, location_products
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
    assert names == ["right_plane", "clarity"]
    torch.testing.assert_close(scorer.engine.pair_terms(frozen, 0, weighted=False).terms, flat)


def pairs_of(moving: Tensor, fixed: Tensor, stability: Tensor) -> RegisteredPairs:
    products = location_products(moving, fixed, torch.ones_like(stability), stability)
    return RegisteredPairs([products, products, products], {}, [])


def test_weighted_terms_equal_a_loop() -> None:
    moving, fixed = torch.randn(2, 1, 5, 3, 4, generator=rng())
    stability = torch.rand(1, 1, 3, 4, generator=rng())
    pairs = pairs_of(moving, fixed, stability)
    total: dict[str, list[float]] = {"plane": [0.0, 0.0], "clarity": [0.0, 0.0]}
    for y, x in itertools.product(range(3), range(4)):
        a, b, w = moving[0, :, y, x], fixed[0, :, y, x], float(stability[0, 0, y, x])
        cosine = float(a @ b / (a.norm() * b.norm()))
        for name, weight in (("plane", w), ("clarity", w**CLARITY_POWER * float(a.norm()))):
            total[name][0] += weight * cosine
            total[name][1] += weight
    assert float(right_plane(pairs, QualityConfig())) == pytest.approx(-total["plane"][0] / total["plane"][1], abs=1e-5)
    assert float(clarity(pairs, QualityConfig())) == pytest.approx(-total["clarity"][0] / total["clarity"][1], abs=1e-5)


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
    assert scores[0] == pytest.approx(scores[1]) == pytest.approx(-1)
    assert scores[2] == pytest.approx(1)
