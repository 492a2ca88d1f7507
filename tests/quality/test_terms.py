"""Tests of ``striq.quality.terms``."""

from __future__ import annotations

import math

import pytest
import torch

from striq.config import QualityConfig
from striq.quality.contrast import contrast as contrast_term
from striq.quality.terms import TERMS, combine_terms, complete_weights, pair_term_names

PAIRS = torch.tensor([[[5.0, 1.0, 0.0], [1.0, 3.0, 0.0], [3.0, 9.0, 3.0]]])  # one frame, three anchors
CONTRAST = torch.tensor([[7.0]])


def test_convention_each_term_counts_the_anchors_it_is_lowest_with_rounded_up() -> None:
    terms = combine_terms(PAIRS, CONTRAST, 0.5)
    torch.testing.assert_close(terms, torch.tensor([[2.0, 2.0, 0.0, 7.0]]))


def test_all_anchors_count_when_asked_to() -> None:
    torch.testing.assert_close(combine_terms(PAIRS, CONTRAST, 1.0)[:, :3], PAIRS.mean(dim=1))


def test_one_anchor_counts_however_small_the_share() -> None:
    torch.testing.assert_close(combine_terms(PAIRS, CONTRAST, 0.01)[:, :3], PAIRS.amin(dim=1))


def test_one_weight_for_each_term() -> None:
    assert list(complete_weights({})) == sorted(TERMS, key=lambda name: not TERMS[name].per_pair)
    assert sum(complete_weights({}).values()) == pytest.approx(1)


def test_pair_terms_come_first_whatever_the_order_given() -> None:
    given = {"contrast": 0.25, "ncc": 0.5, "similarity": 0.25}
    assert list(complete_weights(given)) == ["ncc", "similarity", "contrast"]
    assert pair_term_names(list(given)) == ["ncc", "similarity"]


def test_an_unknown_term_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unknown term 'sharpness'; known are: similarity, ncc"):
        complete_weights({"sharpness": 1.0})


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, math.nan])
def test_a_share_of_no_anchors_or_of_more_than_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="anchor_share"):
        QualityConfig(anchor_share=share)


def test_term_of_a_frame_without_any_structure_is_finite_and_worse_than_any() -> None:
    flat = torch.full((1, 1, 64, 64), 0.5)
    walls = flat.clone()
    walls[:, :, :, 20:28] = 1.0
    assert math.isfinite(float(contrast_term(flat)))
    assert float(contrast_term(flat)) > float(contrast_term(walls))
