"""Tests of ``striq.evaluation.studies.plane_recognition``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.phantom import make_phantom
from striq.data.preprocessing import prepare_frame
from striq.evaluation.studies.plane_recognition import LeftOut, measure_recognition, plane_posteriors
from striq.evaluation.studies.plane_recognition_report import recognition_report
from striq.scoring.scorer import StriqScorer
from striq.types import Frame
from tests.conftest import DRAWN_SIZE, TINY_PLANES, TINY_SIZE

KNOWN = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.4, 0.1, 0.5], [0.2, 0.7, 0.1]])
TRUTH = ["a", "a", "a", "b"]
UNKNOWN = {"x": np.array([[0.1, 0.1, 0.8], [0.5, 0.3, 0.2]]), "y": np.array([[0.2, 0.2, 0.6]])}


def test_figures_by_hand() -> None:
    report = measure_recognition(["a", "b"], KNOWN, TRUTH, UNKNOWN)
    assert report.confusion.tolist() == [[1, 1, 1], [0, 1, 0]]
    assert report.accuracy == pytest.approx(2 / 4)
    assert report.accuracy_among_planes == pytest.approx(3 / 4)
    assert report.auroc == pytest.approx(11 / 12)  # only the frame at 0.2 lies below the known one at 0.5
    assert {name: counts.tolist() for name, counts in report.unknown.items()} == {"x": [1, 0, 1], "y": [0, 0, 1]}
    assert report.rejected == pytest.approx(2 / 3)


def test_without_unknown_frames_there_is_no_auroc() -> None:
    report = measure_recognition(["a", "b"], KNOWN, TRUTH, {})
    assert np.isnan(report.auroc)
    assert np.isnan(report.rejected)


def test_posteriors_are_those_of_the_scorer(tiny_scorer: StriqScorer) -> None:
    frames = [Frame(frame.pixels) for frame in make_phantom(9, 1, planes=TINY_PLANES, size=DRAWN_SIZE, seed=3)]
    found = plane_posteriors(tiny_scorer, (prepare_frame(frame, TINY_SIZE) for frame in frames))
    assert found.shape == (18, 3)
    for row, score in zip(found, tiny_scorer.score(frames), strict=True):
        assert dict(zip([*tiny_scorer.planes, "none"], row, strict=True)) == pytest.approx(
            score.plane_probabilities, abs=1e-4
        )


def test_planes_left_out_are_in_the_report(tmp_path: Path) -> None:
    left_out = LeftOut("b", 0.875, 0.5, 0.75, {"a": 3, "none": 3})
    report = replace(measure_recognition(["a", "b"], KNOWN, TRUTH, UNKNOWN), left_out=(left_out,))
    assert "| b | 0.875 | 0.500 | 0.750 | a 3, none 3 |" in recognition_report(report).write(tmp_path)
    assert json.loads((tmp_path / "plane_recognition.json").read_text())["left_out"][0]["rejected"] == 0.5


def test_report_is_written_as_table_and_picture(tmp_path: Path) -> None:
    result = measure_recognition(["a", "b"], KNOWN, TRUTH, UNKNOWN)
    text = recognition_report(result, note="Mind this.").write(tmp_path)
    assert "| unknown: x | 1 | 0 | 1 |" in text
    assert "**Note:** Mind this." in text
    assert json.loads((tmp_path / "plane_recognition.json").read_text())["confusion"] == [[1, 1, 1], [0, 1, 0]]
    with Image.open(tmp_path / "plane_recognition.png") as picture:
        assert min(picture.size) > 150
