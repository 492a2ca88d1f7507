"""Which frame to show next."""

from __future__ import annotations

from .Results import ACCEPTED, REJECTED


def bestFrame(results):
    """Return the accepted frame of highest quality, else the scored one, else ``None``."""
    scored = [result for result in results if result.isScored]
    accepted = [result for result in scored if result.verdict == ACCEPTED]
    best = max(accepted or scored, key=lambda result: result.quality, default=None)
    return None if best is None else best.frame


def nextFrame(results, current, verdict):
    """Return the next frame after ``current`` with a verdict, going on from the start; ``None`` if there is none."""
    rows = len(results)
    order = [(current + step) % rows for step in range(1, rows + 1)] if rows else []
    return next((row for row in order if results[row].verdict == verdict), None)


def nextAccepted(results, current):
    """Return the next accepted frame."""
    return nextFrame(results, current, ACCEPTED)


def nextRejected(results, current):
    """Return the next rejected frame."""
    return nextFrame(results, current, REJECTED)
