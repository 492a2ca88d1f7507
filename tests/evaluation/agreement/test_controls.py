"""Tests of ``striq.evaluation.agreement.controls``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from striq.data.datasets import load_dataset
from striq.data.loading import load_images
from striq.data.phantom import write_phantom
from striq.evaluation.agreement import controls
from striq.evaluation.agreement.controls import CONTROLS, MAIN, control, score_with_controls
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.agreement.protocol import evaluate_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord
from tests.conftest import DRAWN_SIZE, TINY_PLANES, TINY_SIZE


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    return load_dataset(write_phantom(tmp_path_factory.mktemp("data"), 3, 1, planes=TINY_PLANES, size=DRAWN_SIZE))


def encode(scorer: StriqScorer, image: torch.Tensor, plane: str = "a4c") -> FrameInputs:
    with torch.inference_mode():
        return FrameInputs.encode(scorer, image, plane)


def test_a_control_registered_anywhere_gets_its_row_in_every_table(
    tiny_scorer: StriqScorer, records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "CONTROLS", dict(CONTROLS))

    @control("dummy")
    def brightest(frame: FrameInputs) -> torch.Tensor:
        return frame.image.max() + frame.plane

    evaluate_scorer(tiny_scorer, records, tmp_path, quiet=True)
    expected = [
        float(image.max()) + tiny_scorer.plane_index(record.plane)
        for image, record in zip(load_images(records, TINY_SIZE, quiet=True), records, strict=True)
    ]
    with (tmp_path / "rated_scores.csv").open(encoding="utf-8") as stream:
        assert [float(row["dummy"]) for row in csv.DictReader(stream)] == pytest.approx(expected)
    text = (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    assert sum(line.startswith("| dummy |") for line in text.splitlines()) == 2 * 3  # agreement, difference; 3 blocks
    rows = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["rows"]
    assert {row["plane"] for row in rows if row["score"] == "dummy"} == {*TINY_PLANES, "mean"}
    assert "dummy" in rows[0]["against"]


def test_band_pass_is_asked_for_in_every_evaluation() -> None:
    assert list(CONTROLS)[:2] == ["in-fan intensity std", "band-pass log std"]


def test_band_pass_is_the_log_std_between_blurs_of_a_64th_and_a_16th_of_the_width(tiny_scorer: StriqScorer) -> None:
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    weight = np.ones((64, 64))
    blurred = [
        gaussian_filter(image[0, 0].double().numpy(), sigma, mode="constant", truncate=3)
        / gaussian_filter(weight, sigma, mode="constant", truncate=3)
        for sigma in (1, 4)
    ]
    expected = np.log((blurred[0] - blurred[1]).std())
    found = float(CONTROLS["band-pass log std"](encode(tiny_scorer, image)))
    assert found == pytest.approx(expected, abs=1e-4)


def test_band_pass_of_a_frame_without_structure_is_finite_and_lowest(tiny_scorer: StriqScorer) -> None:
    flat, drawn = torch.full((1, 1, 64, 64), 0.5), torch.rand(1, 1, 64, 64)
    values = [float(CONTROLS["band-pass log std"](encode(tiny_scorer, image))) for image in (flat, drawn)]
    assert np.isfinite(values).all()
    assert values[0] < values[1]


def test_main_score_is_that_of_the_scorer_and_its_threshold_accepts(
    tiny_scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    images = load_images(records, TINY_SIZE, quiet=True)
    found = score_with_controls(tiny_scorer, images, records, quiet=True)
    assert list(found.scores) == [MAIN, *CONTROLS]
    assert found.accepted is not None
    assert found.accepted.tolist() == [quality > 0.5 for quality in found.scores[MAIN]]
    with torch.inference_mode():
        for image, record, quality in zip(images, records, found.scores[MAIN], strict=True):
            frame = encode(tiny_scorer, image[None], record.plane)
            scores = tiny_scorer.score_as_plane(frame.frozen, tiny_scorer.frame_terms(image[None]), frame.plane)
            assert quality == pytest.approx(float(scores.quality), abs=1e-6)
