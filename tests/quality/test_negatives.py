"""Tests of negative anchors in the terms."""

from __future__ import annotations

import torch

from striq.quality.negatives import excess_over_negatives
from striq.quality.terms import combine_terms

NAMES = ["similarity", "right_plane", "contrast"]
ANCHORS = torch.tensor([[[-0.5, -0.4], [-0.1, -0.2]]])


def test_a_nearer_negative_raises_the_term_that_judges_the_plane_by_the_difference() -> None:
    negatives = torch.tensor([[[-0.9, -0.7], [0.0, 0.0]]])
    torch.testing.assert_close(excess_over_negatives(ANCHORS, negatives, NAMES), torch.tensor([[0.0, 0.3]]))


def test_negatives_farther_than_the_nearest_anchor_change_nothing() -> None:
    negatives = torch.tensor([[[-0.9, -0.4], [0.0, 0.3]]])
    assert not excess_over_negatives(ANCHORS, negatives, NAMES).any()


def test_without_negatives_the_terms_stay() -> None:
    none = excess_over_negatives(ANCHORS, torch.empty(1, 0, 2), NAMES)
    frame_terms = torch.tensor([[2.0]])
    assert torch.equal(combine_terms(ANCHORS, frame_terms, 0.5, none), combine_terms(ANCHORS, frame_terms, 0.5))


def test_the_excess_is_added_to_the_pair_terms_only() -> None:
    frame_terms, excess = torch.tensor([[2.0]]), torch.tensor([[0.0, 0.3]])
    raised = combine_terms(ANCHORS, frame_terms, 0.5, excess) - combine_terms(ANCHORS, frame_terms, 0.5)
    torch.testing.assert_close(raised, torch.tensor([[0.0, 0.3, 0.0]]))


def test_more_negatives_never_lower_a_term() -> None:
    pairs = torch.randn(4, 6, 2, generator=torch.Generator().manual_seed(0))
    few, many = (excess_over_negatives(pairs[:, :3], pairs[:, 3:end], NAMES) for end in (4, 6))
    assert bool((many >= few).all())
    assert bool((many > few).any())
