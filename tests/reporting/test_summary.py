"""Tests of ``striq.reporting.summary``."""

from __future__ import annotations

import pytest

from striq.reporting.summary import summarize
from striq.scoring.results import FrameResult
from tests.score_factory import make_score


def result(index: int, quality: float, plane: str = "kidney", *, accepted: bool = True) -> FrameResult:
    return FrameResult("c", index, make_score(quality, plane, accepted=accepted, index=index))


def failure(index: int | None) -> FrameResult:
    return FrameResult("c", index, error="damaged")


def test_single_frame_is_its_own_summary() -> None:
    for accepted in (True, False):
        summary = summarize([result(0, 0.7, accepted=accepted)])
        assert (summary.quality, summary.accepted, summary.plane) == (0.7, accepted, "kidney")
        assert (summary.best_frame, summary.worst_frame) == (0, 0)


def test_cine_takes_median_majority_and_most_common_plane() -> None:
    frames = [result(0, 0.1, "none", accepted=False), result(1, 0.9), result(2, 0.6), result(3, 0.8)]
    summary = summarize(frames)
    assert summary.quality == pytest.approx(0.7)
    assert (summary.accepted, summary.plane) == (True, "kidney")
    assert (summary.best_frame, summary.worst_frame) == (1, 0)
    assert (summary.num_frames, summary.num_scored, summary.num_accepted) == (4, 4, 3)


def test_half_of_the_frames_is_not_enough() -> None:
    assert summarize([result(0, 0.9), result(1, 0.2, accepted=False)]).accepted is False


def test_frames_without_a_score_count_as_frames_only() -> None:
    summary = summarize([failure(0), result(1, 0.4), failure(2)])
    assert (summary.num_frames, summary.num_scored) == (3, 1)
    assert (summary.quality, summary.best_frame) == (0.4, 1)


def test_without_any_score_nothing_is_claimed() -> None:
    for frames, count in (([], 0), ([failure(0)], 1), ([failure(None)], 0)):
        summary = summarize(frames)
        assert (summary.num_frames, summary.num_scored) == (count, 0)
        assert summary.quality is summary.accepted is summary.plane is summary.best_frame is None
