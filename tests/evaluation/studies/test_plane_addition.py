"""Tests of ``striq.evaluation.studies.plane_addition``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.data.readers import open_cine
from striq.errors import DatasetError
from striq.evaluation.studies import plane_addition
from striq.evaluation.studies.plane_addition import (
    PlaneChange,
    PredictedFrames,
    compare_models,
    plane_addition_report,
    score_and_predict,
)
from striq.scoring.scorer import StriqScorer
from striq.training.sequential import extend_scorer
from striq.types import FrameRecord
from tests.conftest import DRAWN_SIZE, TINY_PLANES

BEFORE = PredictedFrames(np.array([0.2, 0.4, 0.6, np.nan]), ("a", "a", "none", "none"))
AFTER = PredictedFrames(np.array([0.2, 0.5, 0.45, 0.9]), ("a", "a", "a", "b"))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    planes = (*TINY_PLANES, "face")
    return load_dataset(write_phantom(tmp_path_factory.mktemp("phantom"), 2, 2, planes=planes, size=DRAWN_SIZE, seed=4))


def test_frames_are_scored_as_the_scorer_scores_them(tiny_scorer: StriqScorer, records: list[FrameRecord]) -> None:
    found = score_and_predict(tiny_scorer, records, quiet=True)
    for record, quality, predicted in zip(records, found.quality, found.planes, strict=True):
        frame = open_cine(record.path)[record.frame_index]
        if record.plane in tiny_scorer.planes:
            assert quality == pytest.approx(tiny_scorer.score([frame], record.plane)[0].quality, abs=1e-6)
        else:
            assert np.isnan(quality)
        assert predicted == tiny_scorer.score([frame])[0].plane


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch, tiny_scorer: StriqScorer) -> list[PlaneChange]:
    found = iter([BEFORE, AFTER])
    monkeypatch.setattr(plane_addition, "score_and_predict", lambda *_, **__: next(found))
    monkeypatch.setattr(tiny_scorer, "planes", ["a", "b"])
    frames = [FrameRecord(Path(f"{i}.png"), plane, str(i)) for i, plane in enumerate("aaab")]
    rated = [replace(record, rating=rating) for record, rating in zip(frames, (1.0, 2.0, None, 3.0), strict=True)]
    return compare_models(tiny_scorer, tiny_scorer, rated)


def test_changes_by_hand(by_hand: list[PlaneChange]) -> None:
    old, new = by_hand
    assert (old.frames, old.verdicts_changed) == (3, 1)  # 0.6 is accepted, 0.45 is not
    assert (old.mean_change, old.largest_change) == pytest.approx(((0 + 0.1 + 0.15) / 3, 0.15))
    assert old.rank_correlation == pytest.approx(0.5)
    assert (old.srcc_before, old.srcc_after) == pytest.approx((1, 1))
    assert (old.predicted_before, old.predicted_after) == ({"a": 2, "none": 1}, {"a": 3})
    assert np.isnan([new.mean_change, new.srcc_before, new.srcc_after]).all()
    assert (new.predicted_before, new.predicted_after) == ({"none": 1}, {"b": 1})


def test_report_is_written_as_table_and_json(by_hand: list[PlaneChange], tmp_path: Path) -> None:
    text = plane_addition_report(by_hand, note="Mind this.").write(tmp_path)
    assert "| a | 3 | 0.0833 | 0.1500 | 1 | 0.500 | 1.000 | 1.000 | a 2, none 1 | a 3 |" in text
    assert "| b | 1 | n/a | n/a | n/a | n/a | n/a | n/a | none 1 | b 1 |" in text
    assert "**Note:** Mind this." in text
    stored = json.loads((tmp_path / "plane_addition.json").read_text(encoding="utf-8"))
    assert stored["planes"][1]["mean_change"] is None


def test_a_model_beside_itself_has_not_changed_and_unknown_planes_are_left_out(
    tiny_scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    changes = compare_models(tiny_scorer, tiny_scorer, records, quiet=True)
    assert [one.plane for one in changes] == list(TINY_PLANES)
    assert all(one.largest_change == 0 and one.rank_correlation == pytest.approx(1) for one in changes)


def test_a_change_of_the_scores_is_seen(tiny_scorer: StriqScorer, records: list[FrameRecord]) -> None:
    other = extend_scorer(tiny_scorer, [])
    other.range_high += 0.5
    assert all(one.largest_change > 0.05 for one in compare_models(tiny_scorer, other.eval(), records, quiet=True))


def test_frames_of_no_known_plane_are_refused(tiny_scorer: StriqScorer, records: list[FrameRecord]) -> None:
    with pytest.raises(DatasetError, match="planes a4c, abdomen"):
        compare_models(tiny_scorer, tiny_scorer, [r for r in records if r.plane == "face"])
