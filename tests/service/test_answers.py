"""Tests of ``striq.service.answers`` and ``striq.scoring.frame_maps``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from score_factory import make_score

from striq.scoring.frame_maps import resample_onto_frame
from striq.scoring.results import FrameResult
from striq.service import answers


def test_what_json_does_not_know_becomes_null_or_a_list() -> None:
    given = {"a": float("nan"), "b": [1.5, float("inf")], "c": np.array([[1.0, np.nan]], np.float32), "d": (1, "x")}
    expected = {"a": None, "b": [1.5, None], "c": [[1.0, None]], "d": [1, "x"]}
    assert answers.json_safe(given) == expected
    assert json.loads(json.dumps(answers.json_safe(given), allow_nan=False)) == expected


def test_frame_answer_holds_either_a_score_or_an_error() -> None:
    scored = answers.frame(3, FrameResult("c.dcm", 5, make_score(0.25, "a4c", index=5)), ms=1.23456)
    assert (scored["id"], scored["index"], scored["ms"], scored["quality"]) == (3, 5, 1.235, 0.25)
    assert scored["transform"] == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert scored["crop"] == [0, 0, 64, 64]
    assert "error" not in scored
    failed = answers.frame(3, FrameResult("c.dcm", 5, error="empty"), ms=1.0)
    assert failed == {"event": "frame", "id": 3, "index": 5, "ms": 1.0, "error": "empty"}


def test_end_counts_scored_failed_and_all_frames() -> None:
    results = [FrameResult("c", 0, make_score(0.9)), FrameResult("c", 1, error="empty")]
    end = answers.finished(1, results, total=5, cancelled=True, device="cpu")
    assert (end["scored"], end["failed"], end["total"], end["cancelled"]) == (1, 1, 5, True)
    assert end["summary"]["quality"] == pytest.approx(0.9)


def test_map_lies_in_the_crop_and_keeps_its_values() -> None:
    cells = np.array([[1.0, 2.0], [3.0, np.nan]], np.float32)
    whole = resample_onto_frame(cells, (1, 2, 5, 8), (6, 9))
    assert whole.shape == (6, 9)
    inside = np.zeros((6, 9), dtype=bool)
    inside[1:5, 2:8] = True
    assert np.isnan(whole[~inside]).all()
    # The corner of a cell that is known takes its value; that of an unknown one has none.
    assert (whole[1, 2], whole[1, 7], whole[4, 2]) == (1.0, 2.0, 3.0)
    assert np.isnan(whole[4, 7])
    assert np.nanmin(whole) >= 1.0
    assert np.nanmax(whole) <= 3.0
