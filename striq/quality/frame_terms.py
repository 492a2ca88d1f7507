"""From the terms of a frame's pairs, and its own contrast, to the terms of the frame."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striq.data.preprocessing import Blur, structure_contrast

NUM_TERMS = 4  # similarity, NCC, smoothness, contrast


def contrast_term(image: Tensor, blur: Blur | None = None) -> Tensor:
    """Return minus the logarithm of the contrast of a frame's own structure, shape ``(B,)``; lower is better.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        blur: As for :func:`striq.data.preprocessing.structure_richness`.
    """
    return -structure_contrast(image, blur).clamp(min=1e-6).log()


def frame_terms(pair_terms: Tensor, contrast: Tensor, anchor_share: float) -> Tensor:
    """Return the four terms of each frame, shape ``(B, 4)``.

    Convention:
        - A pair term counts for the anchors with which it is lowest, each term for itself; their number is rounded up.

    Args:
        pair_terms: Similarity, NCC and smoothness of each frame with each anchor, shape ``(B, K, 3)``.
        contrast: Of each frame, shape ``(B,)``.
        anchor_share: Share of the anchors that count, more than 0, at most 1.
    """
    count = math.ceil(anchor_share * pair_terms.shape[1])
    nearest = pair_terms.topk(count, dim=1, largest=False).values
    return torch.cat([nearest.mean(dim=1), contrast[:, None]], dim=1)
