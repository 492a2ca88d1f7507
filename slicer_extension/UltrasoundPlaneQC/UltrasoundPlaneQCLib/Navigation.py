"""Choice of the next frame to show."""

from __future__ import annotations

from .Results import ACCEPTED, REJECTED, Results


def bestFrame(results: Results) -> int | None:
    """Return the accepted frame of highest quality, or the best scored one if none is accepted."""
    scored = [result for result in results if result.isScored]
    accepted = [result for result in scored if result.verdict == ACCEPTED]
    best = max(accepted or scored, key=lambda result: result.quality, default=None)
    return None if best is None else best.frame


def nextAccepted(results: Results, current: int) -> int | None:
    """Return the next accepted frame after ``current``, from the start again after the last; ``None`` if none is."""
    return _nextFrame(results, current, ACCEPTED)


def nextRejected(results: Results, current: int) -> int | None:
    """Return the next rejected frame after ``current``, from the start again after the last; ``None`` if none is."""
    return _nextFrame(results, current, REJECTED)


def _nextFrame(results: Results, current: int, verdict: str) -> int | None:
    rows = len(results)
    order = [(current + step) % rows for step in range(1, rows + 1)] if rows else []
    return next((row for row in order if results[row].verdict == verdict), None)
