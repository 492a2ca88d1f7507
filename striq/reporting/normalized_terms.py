"""The terms behind a score on the scale of Q, and how much each counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from striq.types import FrameScore

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer


@dataclass(frozen=True)
class TermShare:
    """One term of one frame.

    Attributes:
        name: Name of the term.
        value: As measured; lower is better.
        goodness: On the scale of Q: 1 is the best seen in training, 0 the worst.
        weight: Share of Q; the sum over the terms of ``weight * goodness`` is Q.
    """

    name: str
    value: float
    goodness: float
    weight: float


def term_shares(scorer: StriqScorer, score: FrameScore) -> tuple[TermShare, ...]:
    """Return the terms of a frame as parts of its Q.

    Args:
        scorer: What scored the frame.
        score: Its score.
    """
    plane = scorer.plane_index(scorer.scored_plane(score))
    spans = zip(scorer.range_low[plane].tolist(), scorer.range_high[plane].tolist(), strict=True)
    weights = scorer.term_weights[plane].tolist()
    return tuple(
        TermShare(name, value, min(max((worst - value) / max(worst - best, 1e-9), 0.0), 1.0), weight)
        for (name, value), (best, worst), weight in zip(asdict(score.terms).items(), spans, weights, strict=True)
    )
