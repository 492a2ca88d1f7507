"""Tests of ``striq.scoring.cpu.engine``: what it caches, and the precisions of its encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from striq.data.datasets import load_dataset
from striq.data.readers import open_cine
from striq.evaluation.studies.benchmark import bench_frames, bench_scorer
from striq.scoring.checkpoint import default_checkpoint
from striq.scoring.cpu.fan_cells import FanCells
from striq.scoring.cpu.registration import AnchorRegistration
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer

SIZE = (64, 64)
QUERIES = bench_frames(2, size=SIZE).flip(3)
CAMUS = Path(__file__).parents[4] / "shared" / "data" / "camus_a4c"


@pytest.fixture
def scorer() -> StriqScorer:
    return bench_scorer(2, 5, size=SIZE)


@torch.inference_mode()
def pair_terms(scorer: StriqScorer) -> Tensor:
    return scorer.score_as_plane(scorer.embed(QUERIES), scorer.frame_terms(QUERIES), 1).pair_terms


def test_anchors_are_arranged_once_and_again_when_they_change(
    scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[AnchorRegistration] = []
    original = AnchorRegistration.__init__

    def counted(self: AnchorRegistration, *arguments: object) -> None:
        made.append(self)
        original(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(AnchorRegistration, "__init__", counted)
    first = pair_terms(scorer)
    pair_terms(scorer)
    assert len(made) == 1
    scorer.bank.fill(1, scorer.bank.features(1)[1:], scorer.bank.sources[1][1:])
    assert pair_terms(scorer).shape[1] == first.shape[1] - 1
    assert len(made) == 2


def test_the_encoder_computes_in_the_precision_asked_for(scorer: StriqScorer) -> None:
    with torch.inference_mode():
        before = scorer.embed(QUERIES).maps[0].clone()
        scorer.use_engine(precision="bfloat16")
        rounded = scorer.embed(QUERIES).maps[0]
    assert not torch.equal(rounded, before)
    torch.testing.assert_close(rounded, before, atol=0.1 * float(before.std()), rtol=0.1)


@pytest.mark.slow
@pytest.mark.skipif(not CAMUS.is_dir(), reason="CAMUS is not there")
@pytest.mark.skipif(not default_checkpoint().is_file(), reason="no shipped model")
def test_patients_keep_their_scores_and_their_order() -> None:
    records = load_dataset(CAMUS)
    patients = sorted({record.group for record in records})
    half = set(patients[: len(patients) // 2])
    chosen = [record for record in records if record.group in half and "_ED" in record.path.name]
    frames = [open_cine(record.path)[0] for record in chosen]
    scorer, found = load_scorer(device="cpu"), {}
    for engine, precision in (("reference", "float32"), ("cpu", "float32"), ("cpu", "mixed"), ("cpu", "bfloat16")):
        scorer.use_engine(engine, precision=precision)
        found[engine, precision] = np.array([score.quality for score in scorer.score(frames, "A4C")])
    expected = found.pop(("reference", "float32"))
    assert len(expected) == 125
    differences = {precision: np.abs(values - expected) for (_, precision), values in found.items()}
    assert differences["float32"].max() < 1e-4
    assert differences["mixed"].max() < 1e-3
    for precision in ("float32", "mixed"):
        assert (found["cpu", precision].argsort() == expected.argsort()).all()
    assert differences["bfloat16"].max() < 3e-3
    assert differences["bfloat16"].mean() < 5e-4
    assert stats.spearmanr(found["cpu", "bfloat16"], expected)[0] > 0.9999


def test_frames_of_another_fan_have_cells_of_their_own(scorer: StriqScorer) -> None:
    cut = QUERIES.clone()
    cut[1, :, :, :24] = 0
    with torch.inference_mode():
        together = scorer.score_as_plane(scorer.embed(cut), scorer.frame_terms(cut), 1)
        scorer.use_engine("reference")
        expected = scorer.score_as_plane(scorer.embed(cut), scorer.frame_terms(cut), 1)
    torch.testing.assert_close(together.pair_terms, expected.pair_terms, atol=2e-5, rtol=1e-4)


def test_the_cells_of_a_fan_are_found_once(scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FanCells] = []
    original = FanCells.__init__

    def counted(self: FanCells, *arguments: object) -> None:
        made.append(self)
        original(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(FanCells, "__init__", counted)
    one = QUERIES[:1]
    with torch.inference_mode():
        for image, number in ((one, 1), (0.5 * one, 1), (one * (torch.arange(SIZE[1]) < SIZE[1] // 2), 2)):
            scorer.score_as_plane(scorer.embed(image), scorer.frame_terms(image), 1)
            assert len(made) == number
