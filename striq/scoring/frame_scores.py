"""The score of a frame as other parts of STRIQ and its users see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from striq.quality.plane_scores import PlaneScores
from striq.types import FrameScore
from striq.verdict import NO_PLANE, is_accepted

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer


def frame_score(
    scorer: StriqScorer, scores: PlaneScores, plane: int, posterior: Tensor, threshold: float, *, rejected: bool
) -> FrameScore:
    """Return the score of one frame, without where the frame comes from.

    Args:
        scorer: Scorer that made the scores.
        scores: Of the frame as one plane, in the memory of the CPU.
        plane: Index of that plane.
        posterior: Probability of each plane and, last, of none, shape ``(P + 1,)``.
        threshold: Quality that an accepted frame exceeds.
        rejected: Whether the frame shows none of the planes.
    """
    quality, name = float(scores.quality[0]), NO_PLANE if rejected else scorer.planes[plane]
    nearest = int(scores.pair_terms[0, :, 0].argmin())

    def by_name(values: Tensor) -> dict[str, float]:
        return dict(zip(scorer.term_names, values.tolist(), strict=True))

    return FrameScore(
        quality=quality,
        accepted=is_accepted(quality, name, threshold),
        plane=name,
        scored_plane=scorer.planes[plane],
        plane_probabilities=dict(zip([*scorer.planes, NO_PLANE], posterior.tolist(), strict=True)),
        terms=by_name(scores.terms[0]),
        normalized_terms=by_name(scores.normalized_terms[0]),
        weights=by_name(scorer.term_weights[plane]),
        threshold=threshold,
        crop=(0, 0, 0, 0),
        transform=scores.transforms[0, nearest].numpy(),
        nearest_anchor=scorer.bank.sources[plane][nearest],
        anchor_number=nearest,
        uncertainty=float(scores.uncertainty[0]),
    )
