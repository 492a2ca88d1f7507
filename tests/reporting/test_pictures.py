"""Tests of ``striq.reporting.pictures``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.reporting.pictures import draw_scores
from striq.scoring.results import FrameResult
from striq.types import Frame
from tests.score_factory import make_score


def results_of(qualities: Sequence[float], *, timed: bool = True) -> list[FrameResult]:
    return [
        FrameResult("c", index, make_score(quality, index=index, time_s=index / 25 if timed else None))
        for index, quality in enumerate(qualities)
    ]


def read(index: int) -> Frame:
    return Frame(np.linspace(0, 1, 40 * 60, dtype=np.float32).reshape(40, 60), index=index)


@pytest.mark.parametrize("timed", [True, False])
def test_picture_is_a_png_of_known_size(tmp_path: Path, timed: bool) -> None:
    draw_scores(tmp_path / "p.png", "a $cine_1$ ^{", results_of([0.2, 0.9, 0.4], timed=timed), read)
    with Image.open(tmp_path / "p.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (1320, 552))
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50  # something is drawn


def test_only_the_best_and_the_worst_frame_are_read(tmp_path: Path) -> None:
    asked: list[int] = []

    def note(index: int) -> Frame:
        asked.append(index)
        return read(index)

    draw_scores(tmp_path / "p.png", "cine", results_of([0.2, 0.9, 0.1, 0.4]), note)
    assert asked == [1, 2]


def test_same_scores_draw_the_same_bytes(tmp_path: Path) -> None:
    first, second = (draw_scores(tmp_path / name, "cine", results_of([0.2, 0.9]), read) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()


def test_no_scores_are_refused(tmp_path: Path) -> None:
    for results in ([], [FrameResult("c", 0, error="damaged")]):
        with pytest.raises(ValueError, match="needs the score of at least one frame"):
            draw_scores(tmp_path / "p.png", "cine", results, read)


def test_no_display_is_needed(tmp_path: Path) -> None:
    draw_scores(tmp_path / "p.png", "cine", results_of([0.2, 0.9]), read)
    assert "matplotlib.pyplot" not in sys.modules or "striq" not in str(sys.modules["matplotlib.pyplot"].__file__)
