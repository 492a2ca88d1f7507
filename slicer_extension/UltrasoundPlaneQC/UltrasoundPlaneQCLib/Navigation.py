"""Choice of the next frame to show."""

from __future__ import annotations

import math

from .Results import ACCEPTED, REJECTED, Results


def bestFrame(results: Results) -> int | None:
    """Return the accepted frame of highest quality, or the best scored one if none is accepted."""
    qualities, verdicts = results.column("quality"), results.column("verdict")
    scored = [row for row, quality in enumerate(qualities) if not math.isnan(quality)]
    accepted = [row for row in scored if verdicts[row] == ACCEPTED]
    return max(accepted or scored, key=lambda row: qualities[row], default=None)


def nextAccepted(results: Results, current: int) -> int | None:
    """Return the next accepted frame after ``current``, from the start again after the last; ``None`` if none is."""
    return _nextFrame(results, current, ACCEPTED)


def nextRejected(results: Results, current: int) -> int | None:
    """Return the next rejected frame after ``current``, from the start again after the last; ``None`` if none is."""
    return _nextFrame(results, current, REJECTED)


def _nextFrame(results: Results, current: int, verdict: str) -> int | None:
    verdicts = results.column("verdict")
    rows = range(len(verdicts))
    return next((row for row in (*rows[current + 1 :], *rows[: current + 1]) if verdicts[row] == verdict), None)
