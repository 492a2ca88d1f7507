"""Per-plane min-max normalization and weighting of the terms into the quality score Q."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.quality.terms import TERMS, counted_anchors

FULL_AGREEMENT = 0.4  # correlation with the term it must agree with from which a term counts in full


@dataclass(frozen=True)
class TermRange:
    """Smallest and largest value of each of T terms over a plane's training frames, each shape ``(T,)``."""

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, terms: Tensor) -> TermRange:
        """Return the range of the terms of training frames, shape ``(N, T)``.

        Raises:
            ValueError: If there are fewer than two frames, or a term is not finite.
        """
        if len(terms) < 2 or not bool(torch.isfinite(terms).all()):
            msg = f"A range needs the finite terms of at least 2 frames, got {len(terms)} frames."
            raise ValueError(msg)
        return cls(terms.amin(dim=0), terms.amax(dim=0))


def plane_weights(terms: Tensor, weights: Mapping[str, float]) -> Tensor:
    """Return the weights of T terms for one plane, shape ``(T,)``.

    Convention:
        - A term that must agree with another (contrast with NCC) counts as far as it does. Agreement is Pearson's
          correlation of the two over the training frames, without ratings: in full from 0.4 on, not at all at zero or
          below, in proportion between. The weights are rescaled to sum to one.
        - Where only such terms count, they do so whatever the agreement.

    Args:
        terms: Terms of a plane's training frames, shape ``(N, T)``.
        weights: Weights by name, in the order of the columns [w_m]; they sum to one.
    """
    names, chosen = list(weights), terms.new_tensor(list(weights.values()))
    partners = {name: TERMS[name].agrees_with for name in names}
    if any(weights[name] > 0 for name in names if partners[name] is None):
        for column, name in enumerate(names):
            if partners[name] in names:
                pair = terms[:, [names.index(str(partners[name])), column]]
                agreement = torch.corrcoef(pair.T)[0, 1].nan_to_num(0.0)  # not a number where one term is constant
                chosen[column] *= (agreement / FULL_AGREEMENT).clamp(0, 1)
    return chosen / chosen.sum()


def normalize_terms(terms: Tensor, span: TermRange) -> Tensor:
    """Return terms on the scale of Q, 1 for the best of the training range and 0 for the worst, shape ``(B, T)``.

    Convention:
        - Values outside the training range are clamped term by term: better than any training frame is only "best".

    Args:
        terms: Raw terms of frames of one plane, shape ``(B, T)``; lower is better.
        span: Range of the plane.
    """
    return 1 - ((terms - span.low) / (span.high - span.low).clamp(min=1e-9)).clamp(0, 1)  # 1 - phi_m


def quality_score(normalized: Tensor, weights: Tensor) -> Tensor:
    """Return Q in [0, 1] of frames of one plane, shape ``(B,)``; higher is better.

    Convention:
        - Terms are means over anchors, and their range is that of such means. As the min-max map is linear, this is the
          paper's mean of normalized pair terms up to clamping, with Q using all of [0, 1].

    Args:
        normalized: Terms on the scale of Q, from :func:`normalize_terms`, shape ``(B, T)``.
        weights: Weights of the terms [w_m], shape ``(T,)``; they sum to one.
    """
    # Rounding may make 1.0000001 of a sum of weights.
    return (normalized @ weights).clamp(0, 1)  # Eq. (6)


def quality_uncertainty(pair_terms: Tensor, span: TermRange, weights: Tensor, anchor_share: float) -> Tensor:
    """Return the standard error of Q over the anchors that count, shape ``(B,)``; zero where only one counts.

    Convention:
        - Each anchor alone gives a weighted sum of normalized pair terms, not clamped. Of these, the highest count.

    Args:
        pair_terms: Of each frame with each anchor, shape ``(B, K, T)``.
        span: Range of the plane.
        weights: Weights of the terms, pair terms first, shape ``(T + F,)``.
        anchor_share: Share of the anchors that count.
    """
    number = pair_terms.shape[2]
    width = (span.high - span.low)[:number].clamp(min=1e-9)
    of_anchors = (1 - (pair_terms - span.low[:number]) / width) @ weights[:number]
    best = of_anchors.topk(counted_anchors(pair_terms.shape[1], anchor_share), dim=1).values
    return best.var(dim=1, correction=0).div(max(1, best.shape[1] - 1)).sqrt()
