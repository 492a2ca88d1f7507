"""Tests of ``resampled_metrics``: a weight of n must act like the frame repeated n times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from striq.evaluation.statistics import resampled_metrics as weighted
from striq.evaluation.statistics.resampled_metrics import (
    FloatArray,
    best_and_worst,
    weighted_auc,
    weighted_f1,
    weighted_kendall_tau_b,
    weighted_midranks,
    weighted_plcc,
    weighted_srcc,
)
from tests.references import ranking
from tests.references.single_bootstrap import Statistic

Plain = Callable[[list[float], list[float]], float]
CORRELATIONS: list[tuple[Statistic, Plain]] = [
    (weighted_srcc, ranking.spearman),
    (weighted_plcc, ranking.pearson),
    (weighted_kendall_tau_b, ranking.kendall_tau_b),
]


def tied_sample(seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return scores and ratings with ties, and four resamples, some frames of which are drawn never or often."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 8, 20).astype(float)
    ratings = generator.integers(0, 4, 20).astype(float)
    return scores, ratings, generator.integers(0, 4, (4, 20)).astype(float)


@pytest.mark.parametrize(("statistic", "plain"), CORRELATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_weights_act_as_repetition(statistic: Statistic, plain: Plain, seed: int) -> None:
    scores, ratings, weights = tied_sample(seed)
    written_out = [
        plain(np.repeat(scores, counts).tolist(), np.repeat(ratings, counts).tolist()) for counts in weights.astype(int)
    ]
    np.testing.assert_allclose(statistic(scores, ratings, weights), written_out, rtol=0, atol=1e-12)


def test_kendall_in_several_blocks_equals_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, ratings, weights = tied_sample(0)
    whole = weighted_kendall_tau_b(scores, ratings, weights)
    monkeypatch.setattr(weighted, "PAIR_BLOCK", 7)
    np.testing.assert_allclose(weighted_kendall_tau_b(scores, ratings, weights), whole, rtol=0, atol=1e-14)


def test_midranks_of_a_resample_equal_those_of_it_written_out() -> None:
    values, counts = np.array([3.0, 1.0, 3.0, 2.0]), np.array([[2.0, 1.0, 1.0, 3.0]])
    in_full = ranking.midranks(np.repeat(values, counts[0].astype(int)).tolist())
    assert weighted_midranks(values, counts)[0].tolist() == [in_full[0], in_full[2], in_full[3], in_full[4]]


@pytest.mark.parametrize("seed", range(3))
def test_weighted_auc_and_f1_act_as_repetition(seed: int) -> None:
    scores, ratings, weights = tied_sample(seed)
    for index, counts in enumerate(weights.astype(int)):
        best, worst = (np.repeat(scores, counts * (ratings == grade)).tolist() for grade in (3, 0))
        assert weighted_auc(scores, ratings, weights)[index] == pytest.approx(ranking.auc(best, worst))
        accepted, positive = scores > 3, ratings > 1
        plain = ranking.f1(np.repeat(accepted, counts).tolist(), np.repeat(positive, counts).tolist())
        assert weighted_f1(accepted * 1.0, positive * 1.0, weights)[index] == pytest.approx(plain)


@pytest.mark.parametrize("statistic", [weighted_srcc, weighted_plcc, weighted_kendall_tau_b, weighted_auc])
def test_resample_without_frames_or_with_one_value_is_undefined_without_a_warning(statistic: Statistic) -> None:
    scores, ratings = np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 2.0])
    weights = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    assert np.isnan(statistic(scores, ratings, weights)).all()


@pytest.mark.parametrize("statistic", [weighted_srcc, weighted_plcc, weighted_kendall_tau_b])
def test_constant_score_is_undefined_however_its_mean_rounds(statistic: Statistic) -> None:
    _, ratings, _ = tied_sample(0)
    weights = np.random.default_rng(0).integers(0, 4, (200, 20)).astype(float)
    assert np.isnan(statistic(np.full(20, 0.1), ratings, weights)).all()
    assert np.isnan(statistic(ratings, np.full(20, 0.1), weights)).all()


@pytest.mark.parametrize(
    ("ratings", "best", "worst"),
    [
        ([0, 1, 2, 2], [2, 3], [0]),
        ([1, 2, 3, 4, 5], [4], [0]),  # five grades
        ([1, 2, 3, 4, 5, 6], [4, 5], [0, 1]),  # continuous
        ([7, 7], [], []),
        ([1, 2, 3, 5, 5, 5, 5, 5, 5, 5, 5, 6, 7, 8], list(range(3, 14)), [0, 1, 2]),  # both thirds end at 5
    ],
)
def test_best_and_worst_are_extreme_grades_or_thirds_and_never_overlap(
    ratings: list[float], best: list[int], worst: list[int]
) -> None:
    found_best, found_worst = best_and_worst(np.array(ratings, dtype=float))
    assert np.flatnonzero(found_best).tolist() == best
    assert np.flatnonzero(found_worst).tolist() == worst
