"""Tests of ``striq.quality.normalization``."""

from __future__ import annotations

import pytest
import torch

from striq.quality.normalization import FULL_AGREEMENT, TermRange, normalize_terms, plane_weights, quality_score

QUARTERS = torch.full((4,), 0.25)
WEIGHTS = {"similarity": 0.1, "ncc": 0.7, "smoothness": 0.0, "contrast": 0.2}
SPAN = TermRange(low=torch.tensor([-1.0, -1.0, 0.0, 1.0]), high=torch.tensor([0.0, 1.0, 0.5, 3.0]))


def test_best_terms_give_one_and_worst_give_zero() -> None:
    q = quality_score(normalize_terms(torch.stack([SPAN.low, SPAN.high]), SPAN), QUARTERS)
    torch.testing.assert_close(q, torch.tensor([1.0, 0.0]))


def test_middle_of_every_range_gives_one_half() -> None:
    middle = (SPAN.low + SPAN.high)[None] / 2
    torch.testing.assert_close(quality_score(normalize_terms(middle, SPAN), QUARTERS), torch.tensor([0.5]))


@pytest.mark.parametrize("term", [0, 1, 2, 3])
def test_score_never_rises_when_a_term_rises(term: int) -> None:
    terms = SPAN.low.repeat(21, 1)
    terms[:, term] = torch.linspace(float(SPAN.low[term]) - 0.5, float(SPAN.high[term]) + 0.5, 21)
    q = quality_score(normalize_terms(terms, SPAN), QUARTERS)
    assert bool((q.diff() <= 0).all())
    assert q[0] > q[-1]


def test_values_outside_the_training_range_stay_in_zero_to_one() -> None:
    wild = torch.tensor([[-9.0] * 4, [9.0] * 4])
    torch.testing.assert_close(quality_score(normalize_terms(wild, SPAN), QUARTERS), torch.tensor([1.0, 0.0]))


def test_mean_of_normalized_pairs_equals_score_of_mean_terms_inside_the_range() -> None:
    # The convention of Eq. 6 here: the min-max map is linear, so the mean over anchors may be taken first.
    generator = torch.Generator().manual_seed(0)
    pairs = SPAN.low + (SPAN.high - SPAN.low) * torch.rand(20, 4, generator=generator)
    of_pairs = quality_score(normalize_terms(pairs, SPAN), QUARTERS).mean()
    torch.testing.assert_close(
        quality_score(normalize_terms(pairs.mean(dim=0, keepdim=True), SPAN), QUARTERS)[0], of_pairs
    )


def test_range_of_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        TermRange.of(torch.zeros(1, 4))


def test_range_of_terms_that_are_not_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        TermRange.of(torch.full((3, 4), torch.nan))


def frames_whose_contrast_agrees(correlation: float) -> torch.Tensor:
    noise = torch.randn(1000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    orthonormal = torch.linalg.qr(noise - noise.mean(dim=0)).Q
    contrast = correlation * orthonormal[:, 1] + (1 - correlation**2) ** 0.5 * orthonormal[:, 3]
    return torch.cat([orthonormal[:, :3], 5 + 3 * contrast[:, None]], dim=1)


@pytest.mark.parametrize(
    ("correlation", "share"), [(1.0, 1.0), (FULL_AGREEMENT, 1.0), (0.2, 0.5), (0.0, 0.0), (-0.6, 0.0)]
)
def test_convention_contrast_counts_as_far_as_it_agrees_with_ncc(correlation: float, share: float) -> None:
    weights = plane_weights(frames_whose_contrast_agrees(correlation), WEIGHTS).tolist()
    assert sum(weights) == pytest.approx(1)
    assert weights[3] / weights[1] == pytest.approx(share * 0.2 / 0.7)
    assert weights[0] / weights[1] == pytest.approx(0.1 / 0.7)
    assert weights[2] == 0


def test_contrast_that_is_the_same_for_all_frames_does_not_count() -> None:
    terms = frames_whose_contrast_agrees(1.0)
    terms[:, 3] = 1.0
    assert plane_weights(terms, WEIGHTS)[3] == 0


def test_contrast_asked_for_alone_counts_alone() -> None:
    alone = {"similarity": 0.0, "ncc": 0.0, "smoothness": 0.0, "contrast": 1.0}
    assert plane_weights(frames_whose_contrast_agrees(-0.6), alone).tolist() == list(alone.values())


def test_weights_of_two_frames_are_finite() -> None:
    assert torch.isfinite(plane_weights(torch.rand(2, 4, generator=torch.Generator().manual_seed(1)), WEIGHTS)).all()


def test_quality_of_the_best_frame_is_one_whatever_the_weights_round_to() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        weights = torch.rand(6, generator=generator)
        quality = quality_score(torch.ones(1, 6), weights / weights.sum())
        assert float(quality) <= 1
        assert float(quality) == pytest.approx(1, abs=1e-6)
