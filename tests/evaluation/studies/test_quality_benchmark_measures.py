"""Tests of the measures of the quality benchmark, on scores for which the answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from striq.evaluation.studies.quality_benchmark import BenchmarkScores
from striq.evaluation.studies.quality_benchmark_measures import (
    MEASURES,
    auc_against_kind,
    auc_between,
    highest_rated,
    measure_all,
    measure_folds,
    other_kinds,
)
from striq.evaluation.studies.quality_benchmark_naming import name_frames, recognition, shares_beyond
from striq.evaluation.studies.robustness import KINDS
from tests.evaluation.studies.benchmark_factory import PER_PLANE, made_up_scores


@pytest.fixture
def scores() -> BenchmarkScores:
    return made_up_scores()


def values_of(scores: BenchmarkScores, plane: str, name: str) -> dict[str, float]:
    return {measure.name: measure.compute(scores, plane, name) for measure in MEASURES.values()}


def test_a_score_that_is_right_about_everything(scores: BenchmarkScores) -> None:
    found = values_of(scores, "a", "STRIQ")
    assert found["SRCC"] > 0.95
    assert found["AUC highest"] == found["AUC own plane"] == 1.0
    assert found["structure falls"] == found["nuisance"] == pytest.approx(1.0)
    assert found["AUC other scanners"] == pytest.approx((5 / 6 + 1.0) / 2)  # one of the frames lies below one of x


def test_a_score_that_is_noise_is_seen(scores: BenchmarkScores) -> None:
    found = values_of(scores, "a", "blind")
    assert abs(found["SRCC"]) < 0.6
    assert 0.2 < found["AUC highest"] < 0.8
    assert 0.2 < found["AUC own plane"] < 0.8
    assert found["AUC other scanners"] == 0.5
    assert 0.35 < found["structure falls"] < 0.65
    assert found["nuisance"] < 0.5


def test_one_nuisance_that_fools_a_score_is_seen(scores: BenchmarkScores) -> None:
    folds = [replace(fold, perturbed=fold.perturbed.copy()) for fold in scores.folds]
    for fold in folds:
        fold.perturbed[0, KINDS.index("gain")] *= -1
    fooled = BenchmarkScores(scores.held_out, tuple(folds), scores.unseen)
    assert values_of(fooled, "a", "STRIQ")["nuisance"] == pytest.approx(-1)


def test_what_a_plane_lacks_is_undefined_and_nothing_else(scores: BenchmarkScores) -> None:
    found = values_of(scores, "b", "STRIQ")  # no ratings, and not among the unseen frames
    assert {name for name, value in found.items() if np.isnan(value)} == {"SRCC", "AUC highest", "AUC other scanners"}


def test_other_planes_are_scored_as_the_plane_in_question(scores: BenchmarkScores) -> None:
    fold = scores.folds[0]
    as_planes = fold.as_planes.copy()
    as_planes[0, PER_PLANE:, 0] = 2.0  # frames of b, scored as a, above all frames of a
    changed = BenchmarkScores(scores.held_out[:1], (replace(fold, as_planes=as_planes),), scores.unseen)
    assert values_of(changed, "a", "STRIQ")["AUC own plane"] == 0.0
    assert values_of(changed, "b", "STRIQ")["AUC own plane"] == 1.0


def test_unseen_frames_are_compared_model_by_model(scores: BenchmarkScores) -> None:
    lower = [replace(fold, unseen=fold.unseen - number) for number, fold in enumerate(scores.folds)]
    shifted = BenchmarkScores(scores.held_out, tuple(lower), scores.unseen)
    assert auc_against_kind(shifted, "a", "STRIQ", "y") == 1.0
    assert other_kinds(scores, "a") == ["x", "y"]
    assert other_kinds(scores, "b") == []


def test_all_folds_and_each_by_itself(scores: BenchmarkScores) -> None:
    joined, by_fold = measure_all(scores), measure_folds(scores)
    assert joined.shape == (2, 2, len(MEASURES))
    assert by_fold.shape == (*joined.shape, 2)
    np.testing.assert_array_equal(by_fold[..., 1], measure_all(scores.only(1)))
    assert not np.array_equal(by_fold[..., 0], by_fold[..., 1], equal_nan=True)


def test_highest_rated_frames() -> None:
    assert highest_rated(np.array([0.0, 2, 1, 2])).tolist() == [False, True, False, True]
    assert highest_rated(np.arange(9.0)).tolist() == [False] * 6 + [True] * 3
    assert highest_rated(np.array([9.0] * 6 + [0, 1, 2, 3, 4, 5])).tolist() == [True] * 6 + [False] * 6
    assert not highest_rated(np.ones(3)).any()


def test_auc_by_hand() -> None:
    assert auc_between(np.array([2.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(3.5 / 4)
    assert np.isnan(auc_between(np.array([]), np.array([1.0])))


def test_names_by_hand(scores: BenchmarkScores) -> None:
    found = {(one.shows, one.unseen): one for one in name_frames(scores)}
    assert list(found) == [("a", False), ("b", False), ("a", True), ("x", True), ("y", True)]
    held_out, elsewhere, y = found["a", False], found["a", True], found["y", True]
    assert (held_out.frames, held_out.right, held_out.none, held_out.other) == pytest.approx((16, 6 / 8, 1 / 8, 1 / 8))
    assert (elsewhere.frames, elsewhere.right, elsewhere.none, elsewhere.other) == pytest.approx((3, 2 / 3, 1 / 3, 0))
    assert (y.frames, y.right, y.none, y.other) == pytest.approx((2, 1 / 2, 1 / 2, 1 / 2))
    assert not y.known


def test_frames_of_a_known_plane_by_another_scanner_do_not_count_as_unknown(scores: BenchmarkScores) -> None:
    found = recognition(scores)
    assert {name: counts.sum() for name, counts in found.unknown.items()} == {"x": 4, "y": 4}
    assert found.accuracy == pytest.approx(28 / 32)


def test_shares_beyond_the_ends_of_the_range(scores: BenchmarkScores) -> None:
    fold = scores.folds[0]
    perturbed = fold.perturbed.copy()
    perturbed[0, 0, :3] = [0.99, 1.0, 0.0]
    one = BenchmarkScores(scores.held_out[:1], (replace(fold, perturbed=perturbed),), scores.unseen)
    assert shares_beyond(one, "a") == pytest.approx((2 / 8, 1 / 8))
    assert shares_beyond(one, "b") == (0.0, 0.0)
