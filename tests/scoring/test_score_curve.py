"""Tests of ``striq.scoring.score_curve``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from striq.scoring.results import FrameResult
from striq.scoring.score_curve import MAX_DOTS, ScoreCurve
from tests.score_factory import make_score


def curve_of(qualities: Sequence[float | None], times: Sequence[float | None] | None = None) -> ScoreCurve:
    """Return the curve of frames; ``None`` is a frame that could not be scored."""
    times = times or [None] * len(qualities)
    return ScoreCurve.of(
        [
            FrameResult("c", index, error="bad")
            if quality is None
            else FrameResult("c", index, make_score(quality, index=index, time_s=time, threshold=0.25))
            for index, (quality, time) in enumerate(zip(qualities, times, strict=True))
        ]
    )


def test_positions_are_times_where_every_scored_frame_has_one() -> None:
    curve = curve_of([0.1, 0.2, 0.3], [0.0, 0.1, 0.4])
    assert (curve.is_timed, curve.axis_label, curve.limits) == (True, "Time in seconds", (0.0, 0.4))


@pytest.mark.parametrize("times", [[0.0, None, 0.4], [None, None, None], [0.2, 0.2, 0.2]])
def test_positions_are_indices_where_times_are_missing_or_stand_still(times: list[float | None]) -> None:
    curve = curve_of([0.1, 0.2, 0.3], times)
    assert (curve.is_timed, curve.axis_label, curve.limits) == (False, "Frame", (0.0, 2.0))


def test_convention_a_frame_without_a_score_lies_between_its_neighbors() -> None:
    assert curve_of([0.1, None, 0.3], [0.0, None, 0.4]).positions[1] == pytest.approx(0.2)


def test_segments_end_at_frames_without_a_score() -> None:
    curve = curve_of([None, 0.1, 0.2, None, None, 0.3])
    assert [[score.index for score in segment] for segment in curve.segments] == [[1, 2], [5]]
    assert [score.index for score in curve.scores] == [1, 2, 5]


def test_runs_cover_the_axis_without_gap_or_overlap() -> None:
    curve = curve_of([0.1, 0.2, None, 0.7, 0.8])
    assert [(run.state, run.first, run.last) for run in curve.runs] == [
        ("rejected", 0, 1),
        ("unscored", 2, 2),
        ("accepted", 3, 4),
    ]
    assert [(run.start, run.end) for run in curve.runs] == [(0.0, 1.5), (1.5, 2.5), (2.5, 4.0)]


def test_threshold_is_that_of_the_scores() -> None:
    assert curve_of([0.1]).threshold == 0.25


def test_ticks_lie_within_the_axis_and_count_whole_frames() -> None:
    ticks = curve_of([0.5] * 30).ticks()
    assert len(ticks) > 2
    assert all(tick == int(tick) and 0 <= tick <= 29 for tick in ticks)


def test_long_curves_have_no_dots() -> None:
    assert curve_of([0.5] * MAX_DOTS).has_dots
    assert not curve_of([0.5] * (MAX_DOTS + 1)).has_dots


def test_curve_without_any_score_is_refused() -> None:
    with pytest.raises(ValueError, match="score of at least one frame, got 2 frames without any"):
        curve_of([None, None])
