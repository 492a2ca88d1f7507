"""A frame whose fan is too small to judge is one row of its cine."""

from __future__ import annotations

import numpy as np

from striq.data.cine import Cine
from striq.data.phantom import make_phantom_cine
from striq.scoring.cine_scoring import score_cine
from striq.scoring.scorer import StriqScorer
from tests.conftest import DRAWN_SIZE


def test_frame_with_a_small_fan_costs_only_itself(tiny_scorer: StriqScorer) -> None:
    pixels = [frame.pixels for frame in make_phantom_cine("a4c", 3, seed=2, size=DRAWN_SIZE)]
    small = np.zeros_like(pixels[1])
    small[20:70, 20:70] = pixels[1][20:70, 20:70].clip(0.1)
    pixels[1] = small
    cine = Cine("clip.mp4", 3, lambda index: pixels[index])
    results = list(score_cine(tiny_scorer, cine, "clip.mp4", plane="a4c", threshold=None))
    assert [result.index for result in results] == [0, 1, 2]
    assert [result.score is None for result in results] == [False, True, False]
    assert "too small to judge" in str(results[1].error)
