"""Scoring of a cine, some frames of which may be unreadable."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from striq.errors import StriqError, one_line, unexpected
from striq.scoring.devices import is_out_of_memory
from striq.scoring.results import FrameResult
from striq.types import Frame, FrameScore

if TYPE_CHECKING:
    from striq.data.cine import Cine
    from striq.scoring.scorer import StriqScorer


def score_cine(
    scorer: StriqScorer, cine: Cine, source: str, *, plane: str, threshold: float | None, first: int = 0
) -> Iterator[FrameResult]:
    """Yield one result per frame, in order; a frame that cannot be read or scored does not affect the others.

    Args:
        scorer: Fitted scorer.
        cine: Frames, read one at a time.
        source: Name of the file in the results.
        plane: As for ``StriqScorer.score``.
        threshold: As for ``StriqScorer.score``.
        first: Index of the first frame to score.

    Raises:
        StriqError: If the scorer does not know the plane or has no anchors.
        RuntimeError: If the memory of an accelerator runs out, so that the caller may go on elsewhere.
    """
    reading = _Reading(cine, source, first)
    frames = reading.frames()
    while True:
        try:
            for score in scorer.iterate(frames, plane, threshold=threshold):
                yield from reading.pop(score)
        except Exception as error:
            if not reading.waiting or is_out_of_memory(error):
                raise
            yield from _one_by_one(scorer, reading, error, plane, threshold)
        else:
            break
    yield from reading.rest()


def until_failure(results: Iterator[FrameResult], source: str) -> Iterator[FrameResult]:
    """Yield the results of a cine; an exception that no frame can be blamed for becomes the last result.

    Args:
        results: Results of the frames in order, from frame 0.
        source: Name of the file.

    Raises:
        StriqError: If ``results`` raises it, as for an unknown plane.
    """
    done = 0
    try:
        for result in results:
            yield result
            done += 1
    except StriqError:
        raise
    except Exception as error:
        yield FrameResult(source, done, error=_reason(error, source, done))


class _Reading:
    """Reads the frames of a cine and queues them, and errors of unreadable ones, until they are scored."""

    def __init__(self, cine: Cine, source: str, first: int) -> None:
        self.cine, self.source, self.first = cine, source, first
        self.waiting: deque[Frame | FrameResult] = deque()

    def frames(self) -> Iterator[Frame]:
        """Yield the readable frames."""
        for index in range(self.first, len(self.cine)):
            try:
                frame = self.cine[index]
            except StriqError as error:
                self.waiting.append(FrameResult(self.source, index, error=str(error)))
                continue
            self.waiting.append(frame)
            yield frame

    def rest(self) -> Iterator[FrameResult]:
        """Yield the results of unreadable frames up to the next readable one."""
        while self.waiting and isinstance(self.waiting[0], FrameResult):
            found = self.waiting.popleft()
            assert isinstance(found, FrameResult)
            yield found

    def pop(self, score: FrameScore) -> Iterator[FrameResult]:
        """Yield the result of the first readable frame in the queue, after those of unreadable frames before it."""
        yield from self.rest()
        self.waiting.popleft()
        yield FrameResult(self.source, score.index, score)


def _one_by_one(
    scorer: StriqScorer, reading: _Reading, error: Exception, plane: str, threshold: float | None
) -> Iterator[FrameResult]:
    """Score the queued frames one by one, so that only the one that failed its batch is lost."""
    if not any(isinstance(waiting, Frame) for waiting in reading.waiting):
        raise error
    while reading.waiting:
        yield from reading.rest()
        if not reading.waiting:
            return
        frame = reading.waiting[0]
        assert isinstance(frame, Frame)
        try:
            score = scorer.score([frame], plane, threshold=threshold)[0]
        except Exception as failure:
            if is_out_of_memory(failure):
                raise
            reading.waiting.popleft()
            yield FrameResult(reading.source, frame.index, error=_reason(failure, reading.source, frame.index))
        else:
            yield from reading.pop(score)


def _reason(error: Exception, source: str, index: int) -> str:
    if isinstance(error, StriqError):
        return str(error)
    if is_out_of_memory(error):
        return f"{source}, frame {index}: there is not enough memory ({one_line(error)}). Use another device."
    return f"{source}, frame {index}: scoring failed ({unexpected(error)}). Please report this frame."
