"""Tests of ``striq.quality.normalization``."""

from __future__ import annotations

import pytest
import torch

from striq.quality.normalization import TermRange, quality_score

QUARTERS = (0.25, 0.25, 0.25, 0.25)
SPAN = TermRange(low=torch.tensor([-1.0, -1.0, 0.0, 1.0]), high=torch.tensor([0.0, 1.0, 0.5, 3.0]))


def test_best_terms_give_one_and_worst_give_zero() -> None:
    q = quality_score(torch.stack([SPAN.low, SPAN.high]), SPAN, QUARTERS)
    torch.testing.assert_close(q, torch.tensor([1.0, 0.0]))


def test_middle_of_every_range_gives_one_half() -> None:
    middle = (SPAN.low + SPAN.high)[None] / 2
    torch.testing.assert_close(quality_score(middle, SPAN, QUARTERS), torch.tensor([0.5]))


@pytest.mark.parametrize("term", [0, 1, 2, 3])
def test_score_never_rises_when_a_term_rises(term: int) -> None:
    terms = SPAN.low.repeat(21, 1)
    terms[:, term] = torch.linspace(float(SPAN.low[term]) - 0.5, float(SPAN.high[term]) + 0.5, 21)
    q = quality_score(terms, SPAN, QUARTERS)
    assert bool((q.diff() <= 0).all())
    assert q[0] > q[-1]


def test_values_outside_the_training_range_stay_in_zero_to_one() -> None:
    wild = torch.tensor([[-9.0] * 4, [9.0] * 4])
    torch.testing.assert_close(quality_score(wild, SPAN, QUARTERS), torch.tensor([1.0, 0.0]))


def test_mean_of_normalized_pairs_equals_score_of_mean_terms_inside_the_range() -> None:
    # The convention of Eq. 6 here: the min-max map is linear, so the mean over anchors may be taken first.
    generator = torch.Generator().manual_seed(0)
    pairs = SPAN.low + (SPAN.high - SPAN.low) * torch.rand(20, 4, generator=generator)
    of_pairs = quality_score(pairs, SPAN, QUARTERS).mean()
    torch.testing.assert_close(quality_score(pairs.mean(dim=0, keepdim=True), SPAN, QUARTERS)[0], of_pairs)


def test_range_of_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        TermRange.of(torch.zeros(1, 4))


def test_range_of_terms_that_are_not_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        TermRange.of(torch.full((3, 4), torch.nan))
