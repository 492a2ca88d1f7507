"""Tests of scores taken the quick way and the plain way, through the scorer that everything uses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from striq.data.datasets import load_dataset
from striq.data.phantom import make_phantom
from striq.data.readers import open_cine
from striq.scoring.checkpoint import default_checkpoint
from striq.scoring.cpu.encoder import PRECISIONS
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameScore

CAMUS = Path(__file__).parents[4] / "shared" / "data" / "camus_a4c"
FRAMES = [
    Frame(drawn.pixels, index=i)
    for i, drawn in enumerate(make_phantom(3, 1, planes=("a4c", "abdomen"), size=(96, 96), seed=5))
]


@contextmanager
def plain(scorer: StriqScorer) -> Iterator[None]:
    scorer.quick.enabled = False
    try:
        yield
    finally:
        scorer.quick.enabled = True


def qualities(scores: list[FrameScore]) -> list[float]:
    return [score.quality for score in scores]


@pytest.mark.parametrize("plane", ["auto", "a4c"])
def test_scores_are_the_same_and_in_order(tiny_scorer: StriqScorer, plane: str) -> None:
    quick = tiny_scorer.score(FRAMES, plane)
    with plain(tiny_scorer):
        slow = tiny_scorer.score(FRAMES, plane)
    assert [score.index for score in quick] == list(range(len(FRAMES)))
    for one, other in zip(quick, slow, strict=True):
        assert one.quality == pytest.approx(other.quality, abs=1e-4)
        assert (one.plane, one.nearest_anchor) == (other.plane, other.nearest_anchor)
        np.testing.assert_allclose(one.transform, other.transform, atol=1e-4)
        assert one.plane_probabilities == pytest.approx(other.plane_probabilities, abs=1e-4)


@pytest.mark.parametrize("way", ["quick", "plain"])
def test_score_does_not_depend_on_the_frames_beside_it(tiny_scorer: StriqScorer, way: str) -> None:
    scorer = copy.deepcopy(tiny_scorer)
    scorer.quick.enabled = way == "quick"
    together = qualities(scorer.score(FRAMES))
    alone = [scorer.score([frame])[0].quality for frame in FRAMES]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len({round(quality, 6) for quality in together}) > 1


@pytest.mark.slow
@pytest.mark.skipif(not CAMUS.is_dir(), reason="CAMUS is not there")
@pytest.mark.skipif(not default_checkpoint().is_file(), reason="no shipped model")
def test_patients_keep_their_scores_and_their_order() -> None:
    records = load_dataset(CAMUS)
    patients = sorted({record.group for record in records})
    half = set(patients[: len(patients) // 2])
    chosen = [record for record in records if record.group in half and "_ED" in record.path.name]
    frames = [open_cine(record.path)[0] for record in chosen]
    scorer = load_scorer(device="cpu")
    quick = np.array(qualities(scorer.score(frames, "A4C")))
    rounded = {}
    for name in ("mixed", "bfloat16"):
        scorer.quick.precision = PRECISIONS[name]
        rounded[name] = np.array(qualities(scorer.score(frames, "A4C")))
    with plain(scorer):
        slow = np.array(qualities(scorer.score(frames, "A4C")))
    assert len(slow) == 125
    differences = {name: np.abs(found - slow) for name, found in {"float32": quick, **rounded}.items()}
    assert differences["float32"].max() < 1e-4
    assert differences["mixed"].max() < 1e-3
    for found in (quick, rounded["mixed"]):
        assert (found.argsort() == slow.argsort()).all()
    assert differences["bfloat16"].max() < 3e-3
    assert differences["bfloat16"].mean() < 5e-4
    assert stats.spearmanr(rounded["bfloat16"], slow)[0] > 0.9999
