"""Tests of ``striq.evaluation.studies.forgetting`` and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.errors import DatasetError, StriqError
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.studies import forgetting
from striq.evaluation.studies.forgetting import Forgetting, measure_forgetting
from striq.evaluation.studies.forgetting_report import FREE, PROTECTED, forgetting_report
from striq.evaluation.studies.plane_addition import PredictedFrames
from striq.types import FrameRecord

PLANES = ("kidney", "a4c")
CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))
SHORT = TrainingConfig(max_epochs=1, views=1, batch_size=8)
NAN = np.nan
FORGETFUL = Forgetting(
    ("a", "b", "c"),
    np.array([[0.9, NAN, NAN], [0.8, 0.7, NAN], [0.6, 0.6, 0.5]]),
    np.array([[0.0, NAN, NAN], [0.1, 0.0, NAN], [0.3, 0.2, 0.0]]),
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    return load_dataset(write_phantom(tmp_path_factory.mktemp("phantom"), 8, 2, planes=PLANES, size=(96, 96)))


def measure(records: list[FrameRecord], folder: Path) -> Forgetting:
    setup = TrainingSetup(config=CONFIG, training=SHORT, device="cpu", quiet=True)
    return measure_forgetting(records, folder, setup, protect=True, order=PLANES)


def test_planes_learned_stay_learned_and_a_second_run_trains_nothing(
    records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measure(records, tmp_path)
    assert found.planes == PLANES
    np.testing.assert_array_equal(np.isnan(found.srcc), [[False, True], [False, False]])
    assert found.moved[1, 0] < 0.02
    assert found.moved[0, 0] == found.moved[1, 1] == 0
    monkeypatch.setattr("striq.training.sequential.add_plane", lambda *_, **__: pytest.fail("trained again"))
    again = measure(records, tmp_path)
    np.testing.assert_array_equal(again.srcc, found.srcc)
    with pytest.raises(StriqError, match="other frames, epochs or settings"):
        measure(records[:-1], tmp_path)


def test_frames_that_are_scored_are_of_groups_that_were_not_trained_on(
    records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[FrameRecord] = []
    scored: list[FrameRecord] = []

    def score(_: object, test: list[FrameRecord], **__: object) -> PredictedFrames:
        scored.extend(test)
        return PredictedFrames(np.zeros(len(test)), ())

    monkeypatch.setattr(forgetting, "train_sequential", lambda train, *_, **__: trained.extend(train))
    monkeypatch.setattr(forgetting, "load_scorer", lambda *_: None)
    monkeypatch.setattr(forgetting, "_compare_stages", lambda *_: FORGETFUL)
    monkeypatch.setattr(forgetting, "score_and_predict", score)
    measure(records, tmp_path)
    assert scored
    assert not {record.group for record in trained} & {record.group for record in scored}


def test_what_is_lost_is_counted_from_each_planes_own_stage() -> None:
    assert FORGETFUL.loss == pytest.approx(((0.9 - 0.6) + (0.7 - 0.6)) / 2)


def test_planes_without_ratings_are_watched_all_the_same(
    records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated = [replace(r, rating=r.rating if r.plane == "kidney" else None) for r in records]
    drawn = np.random.default_rng(0)
    monkeypatch.setattr(forgetting, "train_sequential", lambda *_, **__: None)
    monkeypatch.setattr(forgetting, "load_scorer", lambda *_: None)
    monkeypatch.setattr(
        forgetting, "score_and_predict", lambda _, test, **__: PredictedFrames(drawn.random(len(test)), ())
    )
    found = measure(rated, tmp_path)
    assert np.isnan(found.srcc[1, 1])
    assert found.final == found.srcc[1, 0]
    np.testing.assert_array_equal(np.isnan(found.moved), [[False, True], [False, False]])
    table = forgetting_report({PROTECTED: [found], FREE: [found]}).tables[0]
    assert table.rows[1] == ["after a4c", f"{found.srcc[1, 0]:.3f}", ""]


def test_one_plane_has_nothing_to_forget(records: list[FrameRecord], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="two planes"):
        measure_forgetting([r for r in records if r.plane == "a4c"], tmp_path, protect=True)


def test_report_sets_the_two_ways_side_by_side(tmp_path: Path) -> None:
    kept = Forgetting(FORGETFUL.planes, np.where(np.isnan(FORGETFUL.srcc), NAN, 0.8), FORGETFUL.moved * 0.01)
    text = forgetting_report({PROTECTED: [kept, kept], FREE: [FORGETFUL, kept]}, note="Drawn.").write(tmp_path)
    totals = [line for line in text.splitlines() if line.startswith((f"| {PROTECTED}", f"| {FREE}"))]
    assert "0.000 ± 0.000" in totals[0]
    assert "0.003" in totals[0]
    assert "0.100 ± 0.141" in totals[1]
    assert "0.300" in totals[1]
    assert "**Note:** Drawn." in text
    stored = json.loads((tmp_path / "forgetting.json").read_text(encoding="utf-8"))
    assert stored["seeds"][FREE][0]["srcc"][0] == [0.9, None, None]
    assert (tmp_path / "forgetting.png").stat().st_size > 1000
