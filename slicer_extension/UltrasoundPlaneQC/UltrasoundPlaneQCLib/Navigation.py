"""Choice of the next frame to show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .Judgement import ACCEPTED, REJECTED
from .Results import Results


def bestFrame(results: Results) -> int | None:
    """Return the accepted frame of highest quality, or the best scored one if none is accepted."""
    return bestOf(results.numbers("quality"), results.column("verdict"))


def bestOf(qualities: NDArray[np.float64], verdicts: Sequence[str]) -> int | None:
    """Return the best frame by the columns of a table of scores, as :func:`bestFrame` does."""
    scored = ~np.isnan(qualities)
    accepted = scored & np.array([verdict == ACCEPTED for verdict in verdicts], bool)
    candidates = accepted if accepted.any() else scored
    return int(np.argmax(np.where(candidates, qualities, -np.inf))) if candidates.any() else None


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
