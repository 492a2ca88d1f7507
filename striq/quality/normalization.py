"""Per-plane min-max normalization and weighting of the terms into the quality score Q."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FULL_AGREEMENT = 0.4  # correlation of contrast and NCC from which contrast counts in full


@dataclass(frozen=True)
class TermRange:
    """Smallest and largest value of each term over a plane's training frames, each shape ``(4,)``."""

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, terms: Tensor) -> TermRange:
        """Return the range of the terms of training frames, shape ``(N, 4)``.

        Raises:
            ValueError: If there are fewer than two frames, or a term is not finite or the same for all.
        """
        if len(terms) < 2 or not bool(torch.isfinite(terms).all()):
            msg = f"A range needs the finite terms of at least 2 frames, got {len(terms)} frames."
            raise ValueError(msg)
        return cls(terms.amin(dim=0), terms.amax(dim=0))


def plane_weights(terms: Tensor, weights: Sequence[float]) -> Tensor:
    """Return the weights of the terms for one plane, shape ``(4,)``: contrast counts as far as it agrees with NCC.

    Convention:
        - Agreement is Pearson's correlation of the two over the training frames, no ratings; contrast counts in full
          from 0.4 on, not at all at zero or below, in proportion between, and the weights are rescaled to sum to one.
        - Where contrast is the only term that counts, it does so whatever the agreement.

    Args:
        terms: Terms of a plane's training frames, shape ``(N, 4)``.
        weights: Similarity, NCC, smoothness and contrast [w_m]; they sum to one.
    """
    chosen = terms.new_tensor(weights)
    if chosen[:3].sum() > 0:
        agreement = torch.corrcoef(terms[:, [1, 3]].T)[0, 1].nan_to_num(0.0)  # not a number: one is the same for all
        chosen[3] *= (agreement / FULL_AGREEMENT).clamp(0, 1)
    return chosen / chosen.sum()


def quality_score(terms: Tensor, span: TermRange, weights: Tensor) -> Tensor:
    """Map the consistency terms of frames of one plane to Q in [0, 1]; higher is better.

    Convention:
        - ``terms`` are means over anchors, and the range is that of such means. As the min-max map is
          linear, this is the paper's mean of normalized pair terms up to clamping, with Q using all of [0, 1].
        - Values outside the training range are clamped term by term: better than any seen is only "best".

    Args:
        terms: Similarity, NCC, smoothness and contrast of frames, shape ``(B, 4)``; lower is better.
        span: Range of the plane.
        weights: Weights of the terms [w_m], shape ``(4,)``; they sum to one.

    Returns:
        Quality scores, shape ``(B,)``.
    """
    normalized = ((terms - span.low) / (span.high - span.low).clamp(min=1e-9)).clamp(0, 1)  # phi_m
    return 1 - normalized @ weights  # Eq. (6)
