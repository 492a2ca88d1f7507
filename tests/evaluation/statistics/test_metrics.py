"""Tests of ``striq.evaluation.statistics.metrics`` against plain formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import ArrayLike

from striq.evaluation.statistics.metrics import (
    agreement,
    auc_best_against_worst,
    f1_at_threshold,
    kendall_tau_b,
    midpoint,
    plcc,
    srcc,
)
from tests.references import ranking

Metric = Callable[[ArrayLike, ArrayLike], float]
CORRELATIONS = [srcc, plcc, kendall_tau_b]


def sample(seed: int, *, tied: bool) -> tuple[list[float], list[float]]:
    """Return related scores and ratings; ``tied`` rounds both, so that most values appear several times."""
    generator = np.random.default_rng(seed)
    ratings = generator.normal(size=40)
    scores = 0.7 * ratings + generator.normal(size=40)
    return (scores.round().tolist(), ratings.round().tolist()) if tied else (scores.tolist(), ratings.tolist())


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_correlations_equal_the_plain_formulas(seed: int, tied: bool) -> None:
    scores, ratings = sample(seed, tied=tied)
    assert srcc(scores, ratings) == pytest.approx(ranking.spearman(scores, ratings))
    assert plcc(scores, ratings) == pytest.approx(ranking.pearson(scores, ratings))
    assert kendall_tau_b(scores, ratings) == pytest.approx(ranking.kendall_tau_b(scores, ratings))


@pytest.mark.parametrize("metric", [srcc, kendall_tau_b])
def test_rank_correlation_is_one_for_any_rising_score_and_minus_one_for_any_falling(metric: Metric) -> None:
    ratings = [0.0, 1.0, 2.0, 4.0]
    assert metric(np.exp(ratings), ratings) == pytest.approx(1.0)
    assert metric(-np.exp(ratings), ratings) == pytest.approx(-1.0)


@pytest.mark.parametrize("tied", [False, True])
def test_auc_of_grades_is_of_the_highest_against_the_lowest(tied: bool) -> None:
    scores, _ = sample(0, tied=tied)
    grades = [float(index % 3) for index in range(len(scores))]
    of_grade = [[s for s, g in zip(scores, grades, strict=True) if g == grade] for grade in (0.0, 2.0)]
    assert auc_best_against_worst(scores, grades) == pytest.approx(ranking.auc(of_grade[1], of_grade[0]))


def test_auc_of_continuous_ratings_is_of_the_top_against_the_bottom_third() -> None:
    scores, ratings = sample(1, tied=False)
    by_rating = [score for _, score in sorted(zip(ratings, scores, strict=True))]
    assert auc_best_against_worst(scores, ratings) == pytest.approx(ranking.auc(by_rating[-13:], by_rating[:13]))


def test_f1_equals_the_plain_formula() -> None:
    generator = np.random.default_rng(0)
    grades = generator.integers(0, 3, 50)
    accepted = generator.random(50) < 0.6
    assert f1_at_threshold(accepted, grades) == pytest.approx(ranking.f1(accepted.tolist(), (grades == 2).tolist()))
    assert f1_at_threshold(accepted, grades, cut=0.5) == pytest.approx(
        ranking.f1(accepted.tolist(), (grades > 0).tolist())
    )


def test_default_cut_is_the_midpoint_so_grades_give_good_against_the_rest() -> None:
    assert midpoint([0, 1, 2]) == 1.0
    assert f1_at_threshold([False, False, True], [0, 1, 2]) == 1.0
    assert f1_at_threshold([False, True, True], [0, 1, 2]) == pytest.approx(2 / 3)


def test_f1_of_accepting_only_wrong_frames_is_zero() -> None:
    assert f1_at_threshold([True, True, False], [0, 1, 2]) == 0.0


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_constant_scores_or_ratings_have_no_correlation(metric: Metric) -> None:
    # 0.1 three times has a mean that is not 0.1: a variance above zero that is only rounding.
    assert math.isnan(metric([0.1, 0.1, 0.1], [0, 1, 2]))
    assert math.isnan(metric([0, 1, 2], [0.1, 0.1, 0.1]))
    assert math.isnan(metric([1.0], [2.0]))
    assert math.isnan(metric([], []))


def test_one_class_has_no_auc_and_no_f1() -> None:
    assert math.isnan(auc_best_against_worst([1, 2, 3], [1, 1, 1]))
    assert math.isnan(f1_at_threshold([True, False], [2, 2], cut=1))
    assert math.isnan(f1_at_threshold([True, False], [0, 0], cut=1))


def test_constant_scores_have_an_auc_of_one_half() -> None:
    assert auc_best_against_worst([1, 1, 1, 1], [0, 0, 1, 2]) == 0.5


@pytest.mark.parametrize("metric", [*CORRELATIONS, auc_best_against_worst, f1_at_threshold])
def test_values_that_are_not_finite_are_refused_with_their_place(metric: Metric) -> None:
    with pytest.raises(ValueError, match="ratings must be finite, got nan at index 1"):
        metric([1.0, 2.0], [1.0, math.nan])


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(n,\), got \(2,\) and \(3,\)"):
        srcc([1, 2], [1, 2, 3])


def test_agreement_holds_every_metric_and_counts_groups_once() -> None:
    scores, ratings, groups = [1.0, 3.0, 2.0, 4.0], [0, 1, 1, 2], ["p", "p", "q", "r"]
    found = agreement(scores, ratings, groups, accepted=[False, True, False, True])
    assert astuple(found) == (
        srcc(scores, ratings),
        plcc(scores, ratings),
        kendall_tau_b(scores, ratings),
        1.0,
        pytest.approx(2 / 3),
        4,
        3,
    )
    assert math.isnan(agreement(scores, ratings, groups).f1)
