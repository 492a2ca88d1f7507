"""The terms behind a score on the scale of Q, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

from striq.types import FrameScore


@dataclass(frozen=True)
class TermShare:
    """One term of one frame.

    Attributes:
        name: Name of the term.
        value: Raw value; lower is better.
        goodness: On the scale of Q: 1 is the best seen in training, 0 the worst.
        weight: Share of Q; the sum over the terms of ``weight * goodness`` is Q.
    """

    name: str
    value: float
    goodness: float
    weight: float


def term_shares(score: FrameScore) -> tuple[TermShare, ...]:
    """Return the terms of a frame as parts of its Q."""
    return tuple(
        TermShare(name, value, score.normalized_terms[name], score.weights[name]) for name, value in score.terms.items()
    )
