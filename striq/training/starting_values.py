"""What training starts from: a plane's mean maps, its expert's first directions, and its anchors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.anchors.selection import select_anchors
from striq.config import QualityConfig
from striq.model.network import NUM_STAGES, Pyramid, StriqModel

VECTORS_PER_PLANE = 20_000  # feature vectors from which an expert's starting directions are computed
UNCHOSEN = 2  # frames of a plane that are never anchors, as its range is set on them


def set_mean_maps(model: StriqModel, plane: int, features: Pyramid) -> None:
    """Set the mean map of a plane at every stage.

    Args:
        model: Model whose mean maps are set.
        plane: Index of the plane.
        features: Frozen features of the plane's frames.
    """
    for stage in range(NUM_STAGES):
        inside = (features.masks[stage] > 0).to(features.maps[stage])
        total = (features.maps[stage] * inside).sum(dim=0)
        # Rounded to half precision, in which it is stored.
        model.mean_map(stage)[plane] = (total / inside.sum(dim=0).clamp(min=1)).half()


def principal_directions(centered: Pyramid, rank: int, generator: torch.Generator) -> Tensor:
    """Return the directions in which stage-3 features vary most, one per row, shape ``(R, C)``.

    Args:
        centered: Features of a plane's frames without the plane's mean.
        rank: Number of directions [R].
        generator: Chooses feature vectors where there are many.
    """
    vectors = centered.maps[-1].permute(0, 2, 3, 1)[centered.masks[-1][:, 0] > 0]
    some = torch.randperm(len(vectors), generator=generator)[:VECTORS_PER_PLANE]
    covariance = vectors[some].T.double() @ vectors[some].double()
    return torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :rank].T.float()


def choose_anchors(matching: Tensor, richness: Tensor, quality: QualityConfig, generator: torch.Generator) -> Tensor:
    """Return which of a plane's frames become anchors, shape ``(K,)``.

    Args:
        matching: Stage-3 features on which the frames are matched, shape ``(N, C, H, W)``. The features that the
            score compares would prefer frames of the same gain and speckle to frames of the same anatomy.
        richness: Structure richness of the frames, shape ``(N,)``.
        quality: Number of anchors and the strategy.
        generator: Of strategies that draw.
    """
    embeddings = F.normalize(matching.flatten(1), dim=1).cpu()
    count = min(quality.num_anchors, len(richness) - UNCHOSEN)
    return select_anchors(embeddings, richness, count, strategy=quality.anchor_strategy, generator=generator)
