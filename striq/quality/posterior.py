"""Which plane a frame shows, or none of those known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.model.striq import Pyramid, StriqModel

NEAREST = 5  # anchors whose similarity counts; more would ask one frame to resemble every pose
NUM_EVIDENCE = 3
TYPICAL_CAP = 1.0  # standard deviations: to look better than typical is no further evidence
NONE_LOGIT = -4.0  # a frame this many standard deviations from typical is as likely none of the planes
SHARPNESS = 2.0


def plane_evidence(model: StriqModel, frozen: Pyramid, anchors: Pyramid, plane: int) -> Tensor:
    """Return what speaks for one plane: subspace energy, similarity to its anchors, closeness to its mean.

    Args:
        model: The model.
        frozen: Frozen features of frames, not centered.
        anchors: Frozen features of the plane's anchors.
        plane: Index of the plane.

    Returns:
        Evidence, higher speaks for the plane, shape ``(B, 3)``.
    """
    centered = model.center(frozen, plane)
    maps, mask = centered.maps[-1], centered.masks[-1]
    energy = model.subspace.energy(maps, mask, plane)
    cosine = unregistered_cosine(centered, model.center(anchors, plane))
    similarity = cosine.topk(min(NEAREST, cosine.shape[1]), dim=1).values.mean(dim=1)
    spread = (maps.square() * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp(min=1e-6)
    return torch.stack([energy, similarity, -spread.clamp(min=1e-12).log()], dim=1)


def unregistered_cosine(query: Pyramid, anchors: Pyramid) -> Tensor:
    """Return the mean stage-3 cosine inside the query's fan, without any registration, shape ``(B, K)``."""
    a = F.normalize(query.maps[-1], dim=1) * query.masks[-1]
    b = F.normalize(anchors.maps[-1], dim=1)
    return a.flatten(1) @ b.flatten(1).T / query.masks[-1].flatten(1).sum(dim=1, keepdim=True).clamp(min=1e-6)


def plane_posterior(evidence: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return the probability of each plane and, last, of none of them, shape ``(B, P + 1)``.

    Args:
        evidence: Evidence per plane, shape ``(B, P, 3)``.
        mean: Mean of each plane's evidence over its own training frames, shape ``(P, 3)``.
        std: Standard deviation of the same, shape ``(P, 3)``.
    """
    deviation = ((evidence - mean) / std.clamp(min=1e-6)).clamp(max=TYPICAL_CAP)
    logits = deviation.mean(dim=2)
    none = logits.new_full((len(logits), 1), NONE_LOGIT)
    return (SHARPNESS * torch.cat([logits, none], dim=1)).softmax(dim=1)
