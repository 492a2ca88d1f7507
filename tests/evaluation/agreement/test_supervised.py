"""Tests of the comparison with a ridge regression that learns from ratings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.data.splits import Fold
from striq.errors import DatasetError
from striq.evaluation.agreement.protocol import cross_validate
from striq.evaluation.agreement.supervised import SUPERVISED, RidgeOnRatings, check_ratings, score_by_ratings
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))
SETUP = TrainingSetup(config=CONFIG, training=TrainingConfig(max_epochs=1, views=1), device="cpu", quiet=True)


def features(count: int, channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, channels)) * np.linspace(1, 30, channels) + 5


def record(name: str, rating: float | None, plane: str = "kidney") -> FrameRecord:
    return FrameRecord(Path(f"{name}.png"), plane, name, rating=rating)


def test_a_rating_that_is_linear_in_the_features_is_predicted() -> None:
    known, unseen = features(60, 8, 0), features(40, 8, 1)
    direction = np.arange(8) - 3.0
    predicted = RidgeOnRatings(known, known @ direction).predict(unseen)
    assert spearmanr(predicted, unseen @ direction)[0] > 0.999


def test_ratings_that_have_nothing_to_do_with_the_features_are_not_predicted() -> None:
    found = []
    for seed in range(12):
        ratings, truth = np.random.default_rng(100 + seed).integers(1, 4, size=(2, 80)).astype(float)
        found.append(
            spearmanr(RidgeOnRatings(features(80, 200, seed), ratings).predict(features(80, 200, 50)), truth)[0]
        )
    assert abs(float(np.mean(found))) < 0.1


def test_a_feature_that_hardly_varies_in_training_does_not_decide_elsewhere() -> None:
    known, unseen = features(60, 8, 0), features(40, 8, 1)
    known[:, 3] = 1e-6 * np.random.default_rng(4).normal(size=60)
    unseen[:5, 3] = 1.0
    predicted = RidgeOnRatings(known, known[:, 7]).predict(unseen)
    assert np.corrcoef(predicted, unseen[:, 7])[0, 1] > 0.95


def test_the_penalty_is_the_one_that_predicts_left_out_frames_best() -> None:
    known = features(24, 40, 2)
    ratings = known[:, 0] / 10 + np.random.default_rng(3).normal(size=24)
    standard = (known - known.mean(axis=0)) / known.std(axis=0)

    def left_out_error(penalty: float) -> float:
        errors = []
        for row in range(24):
            rest = np.delete(np.arange(24), row)
            mean = standard[rest].mean(axis=0)
            centered = standard[rest] - mean
            gram = centered.T @ centered + penalty * np.eye(40)
            weights = np.linalg.solve(gram, centered.T @ (ratings[rest] - ratings[rest].mean()))
            errors.append(ratings[row] - ratings[rest].mean() - (standard[row] - mean) @ weights)
        return float(np.mean(np.square(errors)))

    model = RidgeOnRatings(known, ratings)
    assert left_out_error(model.penalty) < min(left_out_error(model.penalty * 3.2), left_out_error(model.penalty / 3.2))


def test_planes_are_learned_apart_and_unrated_frames_left_out() -> None:
    scorer = StriqScorer(["kidney", "face"], CONFIG)
    brightness = torch.linspace(0.2, 1, 24).view(-1, 1, 1, 1)
    images = torch.rand(24, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * brightness
    # The brighter, the better on one plane; the worse on the other.
    records = [record(str(i), float(i), "kidney") if i % 2 else record(str(i), -float(i), "face") for i in range(24)]
    predicted = score_by_ratings(scorer, (images, records), (images, records))
    assert spearmanr(predicted[1::2], range(12))[0] > 0.9
    assert spearmanr(predicted[::2], range(12))[0] < -0.9
    misleading = replace(records[1], rating=None)
    rest = score_by_ratings(scorer, (images, [misleading, *records[1:]]), (images, records))
    assert np.isfinite(rest).all()


def test_too_few_rated_frames_are_named_before_anything_is_trained() -> None:
    train = [record(str(i), 1.0 if i < 9 else None) for i in range(20)]
    with pytest.raises(DatasetError, match=r"Fold 1 has 9 rated frames of kidney.*needs 10.*--supervised"):
        check_ratings([Fold(tuple(train), (record("x", 2.0),))])
    check_ratings([Fold(tuple(train), (record("x", None),))])


def test_ratings_of_held_out_frames_do_not_matter() -> None:
    scorer = StriqScorer(["kidney"], CONFIG)
    images = torch.rand(30, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    records = [record(str(i), float(i % 3)) for i in range(30)]
    other = [replace(one, rating=9.0) for one in records[20:]]
    training = images[:20], records[:20]
    first, second = (score_by_ratings(scorer, training, (images[20:], part)) for part in (records[20:], other))
    assert np.array_equal(first, second)


def test_the_evaluation_has_a_row_for_it(tmp_path: Path) -> None:
    frames = load_dataset(write_phantom(tmp_path / "data", 12, 2, planes=("kidney",), size=(96, 96)))
    table = cross_validate(frames, tmp_path / "out", SETUP, num_folds=2, supervised=True)
    assert [row.score for row in table.of_plane("kidney")][-1] == SUPERVISED
    assert SUPERVISED in table.of_plane("kidney")[0].against
    assert SUPERVISED in (tmp_path / "out" / "rated_scores.csv").read_text(encoding="utf-8")
