"""Tests of the quality benchmark: whole groups apart, unseen frames never trained on, interruption harmless."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.data.readers import open_cine
from striq.errors import DatasetError, StriqError
from striq.evaluation.agreement.controls import CONTROLS, all_scores
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.studies import quality_benchmark
from striq.evaluation.studies.quality_benchmark import BenchmarkScores, run_benchmark
from striq.evaluation.studies.quality_benchmark_scores import FoldScores, UnseenFrames, score_fold
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord
from tests.conftest import DRAWN_SIZE, TINY_PLANES, TINY_SIZE
from tests.evaluation.studies.benchmark_factory import made_up_scores

CONFIG = StriqConfig(encoder=EncoderConfig(size=TINY_SIZE), quality=QualityConfig(num_anchors=3))
SETUP = TrainingSetup(config=CONFIG, training=TrainingConfig(max_epochs=1, views=1), device="cpu", quiet=True)
TWO_SCORES = {"STRIQ": FrameInputs.quality, "in-fan intensity std": CONTROLS["in-fan intensity std"]}


class Trainings:
    """Stands in for training: notes what a fold is trained on, and returns the tiny scorer."""

    def __init__(self, scorer: StriqScorer) -> None:
        self.scorer = scorer
        self.seen: list[Sequence[FrameRecord]] = []

    def __call__(self, train: Sequence[FrameRecord], folder: Path, setup: TrainingSetup, *, resume: bool) -> Any:
        assert resume
        self.seen.append(train)
        return self.scorer


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    return load_dataset(write_phantom(tmp_path_factory.mktemp("data"), 4, 1, planes=TINY_PLANES, size=DRAWN_SIZE))


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    folder = tmp_path_factory.mktemp("unseen")
    return load_dataset(write_phantom(folder, 2, 1, planes=("a4c", "kidney"), size=DRAWN_SIZE, seed=9))


@pytest.fixture
def trainings(tiny_scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    trainings = Trainings(tiny_scorer)
    monkeypatch.setattr(quality_benchmark, "train_fold", trainings)
    monkeypatch.setattr(quality_benchmark, "all_scores", lambda: dict(TWO_SCORES))
    return trainings


def run(
    records: Sequence[FrameRecord], unseen: Sequence[FrameRecord], folder: Path, setup: TrainingSetup = SETUP
) -> BenchmarkScores:
    return run_benchmark(records, unseen, folder, setup, num_folds=2)


def test_every_frame_is_scored_once_by_a_model_without_its_group(
    records: list[FrameRecord], unseen: list[FrameRecord], trainings: Trainings, tmp_path: Path
) -> None:
    found = run(records, unseen, tmp_path)
    assert sorted(record.path for record in found.records) == sorted(record.path for record in records)
    for train, test in zip(trainings.seen, found.held_out, strict=True):
        assert {record.plane for record in train} == set(TINY_PLANES)
        assert not {record.group for record in train} & {record.group for record in test}
        assert not {record.path for record in train} & {record.path for record in unseen}
    assert found.names == tuple(TWO_SCORES)
    assert found.planes == TINY_PLANES


def test_planes_are_named_as_the_scorer_names_them_with_its_evidence(
    records: list[FrameRecord], tiny_scorer: StriqScorer
) -> None:
    scorer = copy.deepcopy(tiny_scorer)
    scorer.evidence_range[:] = torch.tensor([0.2, 0.1])
    nothing = UnseenFrames([], torch.zeros(0, 1, *TINY_SIZE))
    fold = score_fold(scorer, records, nothing, TWO_SCORES, nuisance_frames=1, quiet=True)
    expected = [
        list(score.plane_probabilities.values()) for score in scorer.score(open_cine(r.path)[0] for r in records)
    ]
    np.testing.assert_allclose(fold.posteriors, expected, atol=1e-4)


def test_scores_are_those_of_the_scorer(
    records: list[FrameRecord],
    unseen: list[FrameRecord],
    trainings: Trainings,
    tiny_scorer: StriqScorer,
    tmp_path: Path,
) -> None:
    found = run(records, unseen, tmp_path)
    fold, test = found.folds[1], found.held_out[1]
    frames = [open_cine(record.path)[0] for record in test]
    for column, plane in enumerate(TINY_PLANES):
        quality = [score.quality for score in tiny_scorer.score(frames, plane)]
        np.testing.assert_allclose(fold.as_planes[0, :, column], quality, atol=1e-5)
    own = [TINY_PLANES.index(record.plane) for record in test]
    np.testing.assert_array_equal(fold.as_planes[:, np.arange(len(test)), own], fold.perturbed[:, 0])
    named = [list(score.plane_probabilities.values()) for score in tiny_scorer.score(frames)]
    np.testing.assert_allclose(fold.posteriors, named, atol=1e-4)
    elsewhere = [open_cine(record.path)[0] for record in unseen]
    expected = [score.quality for score in tiny_scorer.score(elsewhere, "a4c")]
    np.testing.assert_allclose(fold.unseen[0, :, 0], expected, atol=1e-5)
    assert np.isnan(fold.unseen[:, :, 1]).all()  # none of the unseen frames shows this plane
    assert np.isfinite(fold.perturbed).all()
    assert np.isfinite(fold.degraded).all()


def test_finished_folds_are_not_run_again(
    records: list[FrameRecord],
    unseen: list[FrameRecord],
    trainings: Trainings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = quality_benchmark.score_fold

    def stop_at_the_second(*given: Any, **options: Any) -> FoldScores:
        if len(trainings.seen) == 2:
            raise KeyboardInterrupt
        return original(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(quality_benchmark, "score_fold", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            run(records, unseen, tmp_path)
    trainings.seen.clear()
    found = run(records, unseen, tmp_path)
    assert len(trainings.seen) == 1
    monkeypatch.setattr(quality_benchmark, "score_fold", None)
    rated_otherwise = [replace(record, rating=1.0) for record in reversed(records)]
    again = run(rated_otherwise, unseen, tmp_path)
    for one, other in zip(found.folds, again.folds, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name))


def test_other_unseen_frames_or_controls_are_scored_anew(
    records: list[FrameRecord],
    unseen: list[FrameRecord],
    trainings: Trainings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(records, [], tmp_path)
    assert run(records, unseen, tmp_path).folds[0].unseen.shape == (2, 4, 2)
    monkeypatch.setattr(quality_benchmark, "all_scores", lambda: {"STRIQ": FrameInputs.quality})
    assert run(records, unseen, tmp_path).names == ("STRIQ",)


def test_folds_of_other_frames_or_settings_are_refused(
    records: list[FrameRecord], trainings: Trainings, tmp_path: Path
) -> None:
    run(records, [], tmp_path)
    longer = replace(SETUP, training=replace(SETUP.training, max_epochs=2))
    for changed, setup in ((records[1:], SETUP), (records, longer)):
        with pytest.raises((StriqError), match="other frames, epochs or settings"):
            run(changed, [], tmp_path, setup)


def test_a_frame_to_train_on_is_not_unseen(records: list[FrameRecord], trainings: Trainings, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="among the frames to train on and among the unseen ones"):
        run(records, records[:1], tmp_path)
    assert not trainings.seen


def test_a_plane_named_like_the_mean_is_refused_before_training(
    records: list[FrameRecord], trainings: Trainings, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="No plane may be called 'mean'"):
        run([replace(record, plane="mean") for record in records], [], tmp_path)
    assert not trainings.seen


def test_an_unreadable_unseen_frame_is_reported_and_left_out(
    records: list[FrameRecord],
    unseen: list[FrameRecord],
    trainings: Trainings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    found = run(records, [FrameRecord(broken, "a4c", "x"), *unseen], tmp_path / "out")
    assert list(found.unseen) == unseen
    assert "broken.png" in caplog.text


def test_an_unreadable_frame_to_train_on_is_refused_before_training(
    records: list[FrameRecord], trainings: Trainings, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    with pytest.raises(StriqError, match=r"broken\.png"):
        run([*records, FrameRecord(broken, "a4c", "x")], [], tmp_path / "out")
    assert not trainings.seen


def test_stored_scores_are_found_again_only_under_what_they_were_made_of(tmp_path: Path) -> None:
    scores = made_up_scores().folds[0]
    path = scores.save(tmp_path / "scores.npz", "these frames")
    assert FoldScores.load(path, "other frames") is None
    assert FoldScores.load(tmp_path / "absent.npz", "these frames") is None
    found = FoldScores.load(path, "these frames")
    assert found is not None
    assert (found.names, found.planes) == (scores.names, scores.planes)
    for name, value in vars(scores).items():
        np.testing.assert_array_equal(value, getattr(found, name))


def test_every_control_is_asked_for() -> None:
    assert list(all_scores()) == ["STRIQ", *CONTROLS]


def test_a_single_plane_without_unseen_frames_is_scored(
    records: list[FrameRecord], trainings: Trainings, tmp_path: Path
) -> None:
    found = run([record for record in records if record.plane == "a4c"], [], tmp_path)
    assert found.folds[0].unseen.shape == (2, 0, 2)
    assert found.folds[0].unseen_posteriors.shape == (0, 3)
