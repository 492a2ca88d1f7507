"""Tests of ``striq.scoring.cine_scoring``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.phantom import make_phantom_cine
from striq.errors import StriqError
from striq.scoring.cine_scoring import score_cine, until_failure
from striq.scoring.results import FrameResult
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameScore

NUM_FRAMES = 11  # two full batches and a rest


def cine_with_black_frames(black: Sequence[int]) -> Cine:
    frames = make_phantom_cine("a4c", NUM_FRAMES, seed=2, size=(96, 96))

    def pixels(index: int) -> NDArray[np.float32]:
        return frames[index].pixels * np.float32(index not in black)

    return Cine("c", NUM_FRAMES, pixels)


def results_of(scorer: StriqScorer, cine: Cine) -> list[FrameResult]:
    return list(score_cine(scorer, cine, "c", plane="auto", threshold=None))


@pytest.mark.parametrize("black", [(), (0,), (0, 1, 2, 3, 4), (3, 4), (10,), (9, 10), range(NUM_FRAMES)])
def test_frames_keep_their_order_around_unreadable_ones(tiny_scorer: StriqScorer, black: Sequence[int]) -> None:
    results = results_of(tiny_scorer, cine_with_black_frames(black))
    assert [result.index for result in results] == list(range(NUM_FRAMES))
    assert [result.index for result in results if result.score is None] == list(black)
    assert all(result.score.index == result.index for result in results if result.score is not None)


@pytest.mark.parametrize("bad", [0, 2, 5, 10])
def test_frame_that_cannot_be_scored_costs_no_other_frame(
    tiny_scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    score_batch = tiny_scorer._score_batch

    def failing(batch: Any, *given: Any) -> list[FrameScore]:
        if any(frame.index == bad for frame in batch.frames):
            msg = "not a number"
            raise StriqError(msg)
        return score_batch(batch, *given)

    expected = results_of(tiny_scorer, cine_with_black_frames([3]))
    monkeypatch.setattr(tiny_scorer, "_score_batch", failing)
    results = results_of(tiny_scorer, cine_with_black_frames([3]))
    assert [result.index for result in results] == list(range(NUM_FRAMES))
    assert [result.index for result in results if result.score is None] == sorted({3, bad})
    for alone, found in zip(expected, results, strict=True):
        if alone.score is not None and found.score is not None:
            assert found.score.quality == pytest.approx(alone.score.quality, abs=1e-5)


def test_unknown_plane_is_no_fault_of_the_frames(tiny_scorer: StriqScorer) -> None:
    with pytest.raises(StriqError, match="does not know the plane 'elbow'"):
        list(score_cine(tiny_scorer, cine_with_black_frames(()), "c", plane="elbow", threshold=None))


def test_frames_are_read_a_few_at_a_time(tiny_scorer: StriqScorer) -> None:
    read: list[int] = []
    frames = make_phantom_cine("a4c", NUM_FRAMES, seed=2, size=(96, 96))

    def pixels(index: int) -> NDArray[np.float32]:
        read.append(index)
        return frames[index].pixels

    first = next(score_cine(tiny_scorer, Cine("c", NUM_FRAMES, pixels), "c", plane="auto", threshold=None))
    assert first.index == 0
    assert read == list(range(len(read)))
    assert 4 <= len(read) <= 8 < NUM_FRAMES  # the batch being scored, and the next


def test_interruption_passes_through(tiny_scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(frames: Iterable[Frame], *given: object, **named: object) -> Iterator[FrameScore]:
        next(iter(frames))
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(tiny_scorer, "iterate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        results_of(tiny_scorer, cine_with_black_frames(()))


@pytest.mark.parametrize("error", [TypeError, RuntimeError, ZeroDivisionError, MemoryError])
def test_any_exception_of_a_frame_is_its_result(
    tiny_scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    score_batch = tiny_scorer._score_batch

    def failing(batch: Any, *given: Any) -> list[FrameScore]:
        if any(frame.index == 5 for frame in batch.frames):
            raise error
        return score_batch(batch, *given)

    monkeypatch.setattr(tiny_scorer, "_score_batch", failing)
    results = results_of(tiny_scorer, cine_with_black_frames([3]))
    assert [result.index for result in results if result.score is None] == [3, 5]
    assert f"c, frame 5: scoring failed ({error.__name__})" in results[5].error


def test_memory_of_an_accelerator_is_left_to_the_caller(
    tiny_scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(batch: Any, *given: Any) -> list[FrameScore]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(tiny_scorer, "_score_batch", failing)
    cine = cine_with_black_frames([])
    with pytest.raises(torch.OutOfMemoryError):
        results_of(tiny_scorer, cine)
    results = score_cine(tiny_scorer, cine, "c", plane="auto", threshold=None)
    (result,) = until_failure(results, "c")
    assert (result.index, "not enough memory" in result.error) == (0, True)
