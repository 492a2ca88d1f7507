"""Negative anchors: frames of other planes that are easily taken for a plane, for telling the two apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striq.quality.terms import TERMS, pair_term_names


def excess_over_negatives(pair_terms: Tensor, negative_terms: Tensor, names: Sequence[str]) -> Tensor:
    """Return by how much a frame's nearest negative anchor is nearer than its nearest anchor, shape ``(B, T)``.

    It is zero where an anchor is the nearer one, and for terms that do not judge the plane.

    Args:
        pair_terms: Pair terms of each frame with each anchor, shape ``(B, K, T)``; lower is nearer.
        negative_terms: Pair terms of each frame with each negative anchor, shape ``(B, R, T)``.
        names: Names of the terms of a scorer, pair terms first.
    """
    if not negative_terms.shape[1]:
        return torch.zeros_like(pair_terms[:, 0])
    judges_plane = [TERMS[name].judges_plane for name in pair_term_names(names)]
    excess = (pair_terms.amin(dim=1) - negative_terms.amin(dim=1)).clamp(min=0)
    return excess * excess.new_tensor(judges_plane)
