"""Scores of whatever holds frames: paths, cines, arrays, tensors, pictures, and frames as read."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from striq.data.cine import Cine
from striq.data.inputs import Reading, is_path, is_single, open_each
from striq.errors import StriqError
from striq.scoring.cine_scoring import score_cine, until_failure
from striq.scoring.results import FrameResult
from striq.scoring.scores import Scores
from striq.types import Frame, FrameScore

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer

logger = logging.getLogger(__name__)


def score_inputs(scorer: StriqScorer, given: Any, plane: str, threshold: float | None, reading: Reading) -> Scores:
    """Return the scores of whatever holds frames.

    Frames as read raise the first error. Of anything else, a frame or file that cannot be scored does not affect the
    others: it is among the errors of the result, and their number is logged as a warning.

    Args:
        scorer: Fitted scorer.
        given: See :func:`striq.data.inputs.open_each`; or frames.
        plane: As for ``StriqScorer.score``.
        threshold: Likewise.
        reading: How to read arrays.

    Raises:
        StriqError: If the scorer does not know the plane or has no anchors, or if there are errors and no score.
        TypeError: If there is something that holds no frames.
    """
    list(scorer.iterate([], plane))  # raises if the model does not know the plane
    if isinstance(given, Frame):
        given = [given]
    if isinstance(given, Cine) or is_path(given) or is_single(given):
        return _collected(scorer, given, plane, threshold, reading)
    first, rest = _peek(given)
    if first and not isinstance(first[0], Frame):
        return _collected(scorer, itertools.chain(first, rest), plane, threshold, reading)
    scores = scorer.iterate(_only_frames(itertools.chain(first, rest)), plane, threshold=threshold)
    return Scores(_result_of(score) for score in scores)


def _collected(scorer: StriqScorer, given: Any, plane: str, threshold: float | None, reading: Reading) -> Scores:
    results: list[FrameResult] = []
    unopened: list[StriqError] = []
    for cine in open_each(given, reading):
        if isinstance(cine, StriqError):
            unopened.append(cine)
            results.append(FrameResult(getattr(cine, "where", ""), None, error=str(cine)))
        else:
            scored = score_cine(scorer, cine, cine.source, plane=plane, threshold=threshold)
            results += until_failure(scored, cine.source)
    scores = Scores(results)
    if scores.errors and not len(scores):
        raise unopened[0] if unopened else StriqError(scores.errors[0].error)
    if scores.errors:
        first = scores.errors[0].error
        logger.warning("%d frames or files could not be scored; the first: %s", len(scores.errors), first)
    return scores


def _peek(given: Iterable[Any]) -> tuple[list[Any], Iterator[Any]]:
    """Return the first item, if there is one, and the others."""
    try:
        items = iter(given)
    except TypeError:
        items = open_each(given, Reading())  # raises what it says of other types
    return list(itertools.islice(items, 1)), items


def _only_frames(given: Iterable[Any]) -> Iterator[Frame]:
    for one in given:
        if not isinstance(one, Frame):
            msg = f"Expected frames after a frame, got {type(one).__name__!r}. Give items of one kind."
            raise TypeError(msg)
        yield one


def _result_of(score: FrameScore) -> FrameResult:
    return FrameResult(score.source, score.index, score)
