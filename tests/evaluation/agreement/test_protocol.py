"""Tests of the cross-validation: whole groups apart, ratings unused, interruption harmless."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from striq.anchors.provenance import pseudonym
from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.errors import DatasetError
from striq.evaluation.agreement import protocol
from striq.evaluation.agreement.protocol import cross_validate
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.scoring.scorer import StriqScorer
from striq.training.run_options import RunOptions
from striq.types import FrameRecord

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))
TRAINING = TrainingConfig(max_epochs=1, views=1)
SETUP = TrainingSetup(config=CONFIG, training=TRAINING, device="cpu", quiet=True)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    return load_dataset(write_phantom(tmp_path_factory.mktemp("data"), 6, 2, planes=("kidney",), size=(96, 96)))


@pytest.fixture(scope="module")
def finished(records: list[FrameRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    cross_validate(records, folder, SETUP, num_folds=2)
    return folder


def scores(folder: Path) -> dict[str, str]:
    with (folder / "rated_scores.csv").open(encoding="utf-8") as stream:
        return {row["file"] + row["group"]: row["STRIQ"] for row in csv.DictReader(stream)}


def test_every_frame_is_scored_once_and_observed_with_a_model_without_its_group(
    records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[FrameRecord] = []
    observed: list[list[FrameRecord]] = []
    original = protocol.score_with_controls

    def watch(scorer: StriqScorer, images: Any, test: Sequence[FrameRecord], **options: Any) -> Any:
        check_groups(scorer, test)
        seen.extend(test)
        return original(scorer, images, test, **options)

    def check_groups(scorer: StriqScorer, test: Sequence[FrameRecord]) -> None:
        anchors = {source.group for plane in scorer.bank.sources for source in plane}
        assert anchors
        assert not anchors & {pseudonym(b"salt", record.group) for record in test}
        assert anchors <= {pseudonym(b"salt", record.group) for record in records}

    def observe(scorer: StriqScorer, test: Sequence[FrameRecord]) -> None:
        check_groups(scorer, test)
        observed.append(list(test))

    monkeypatch.setattr(protocol, "score_with_controls", watch)
    monkeypatch.setattr("striq.training.calibration.new_salt", lambda: b"salt")
    cross_validate(records, tmp_path, SETUP, num_folds=2, observe_fold=observe)
    assert sorted(record.path for record in seen) == sorted(record.path for record in records)
    assert len(observed) == 2
    assert [record for part in observed for record in part] == seen


def test_ratings_do_not_move_any_score(records: list[FrameRecord], finished: Path, tmp_path: Path) -> None:
    ratings = [record.rating for record in records]
    random.Random(0).shuffle(ratings)
    shuffled = [replace(record, rating=rating) for record, rating in zip(records, ratings, strict=True)]
    cross_validate(shuffled, tmp_path, SETUP, num_folds=2)
    assert scores(tmp_path) == scores(finished)


def test_interrupted_evaluation_resumes_to_the_same_table(
    records: list[FrameRecord], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Path] = []
    original = protocol.train_scorer

    def stop_after_one(records: Sequence[FrameRecord], options: RunOptions, **settings: Any) -> StriqScorer:
        if trained:
            raise KeyboardInterrupt
        trained.append(Path(options.output_dir))
        return original(records, options, **settings)

    monkeypatch.setattr(protocol, "train_scorer", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(records, tmp_path, SETUP, num_folds=2)
    trained.clear()
    cross_validate(records, tmp_path, SETUP, num_folds=2, resume=True)
    assert trained == [tmp_path / "fold_1"]
    assert (tmp_path / "evaluation.md").read_text() == (finished / "evaluation.md").read_text()


def test_data_without_any_rating_is_refused(records: list[FrameRecord], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No frame has a rating"):
        cross_validate([replace(record, rating=None) for record in records], tmp_path, SETUP, num_folds=2)


def test_baselines_are_fitted_without_the_groups_of_the_fold(
    records: list[FrameRecord], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in finished.rglob("model.pt"):
        target = tmp_path / file.relative_to(finished)
        target.parent.mkdir(parents=True)
        target.write_bytes(file.read_bytes())
    original, fitted = protocol.score_by_baselines, []

    def watch(scorer: StriqScorer, names: Any, training: Any, held_out: Any, extras: Any) -> Any:
        fitted.append(({record.group for record in training[1]}, {record.group for record in held_out[1]}))
        return original(scorer, names, training, held_out, extras)

    monkeypatch.setattr(protocol, "score_by_baselines", watch)
    table = cross_validate(records, tmp_path, SETUP, num_folds=2, resume=True, baselines=["Tenengrad", "pooled kNN"])
    assert len(fitted) == 2
    assert all(not known & unseen for known, unseen in fitted)
    assert {"Tenengrad", "pooled kNN", "STRIQ"} <= {row.score for row in table.rows}
    assert scores(tmp_path) == scores(finished)
