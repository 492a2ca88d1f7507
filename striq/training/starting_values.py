"""What training starts from: a plane's mean maps, its expert's first directions, and its anchors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.anchors.selection import select_anchors
from striq.config import QualityConfig
from striq.model.network import NUM_STAGES, Pyramid, StriqModel

VECTORS_PER_PLANE = 20_000  # feature vectors from which an expert's starting directions are computed
MIN_ANCHORS = 3  # of a plane with few frames
FRAMES_PER_ANCHOR = 4  # of a plane with few frames: fewer anchors are better than poor ones


def set_mean_maps(model: StriqModel, plane: int, features: Sequence[Pyramid]) -> None:
    """Set the mean map of a plane at every stage.

    Args:
        model: Model whose mean maps are set.
        plane: Index of the plane.
        features: Frozen features of the plane's frames, in batches.
    """
    for stage in range(NUM_STAGES):
        inside = [(batch.masks[stage] > 0).to(batch.maps[stage]) for batch in features]
        totals = [(batch.maps[stage] * mask).sum(dim=0) for batch, mask in zip(features, inside, strict=True)]
        count = torch.stack([mask.sum(dim=0) for mask in inside]).sum(dim=0).clamp(min=1)
        # Rounded to half precision, in which it is stored.
        model.mean_map(stage)[plane] = (torch.stack(totals).sum(dim=0) / count).half()


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


def number_of_anchors(num_frames: int, quality: QualityConfig) -> int:
    """Return how many anchors a plane with some number of training frames gets, at least 1."""
    return max(1, min(quality.num_anchors, max(MIN_ANCHORS, num_frames // FRAMES_PER_ANCHOR), num_frames - 1))


def choose_anchors(matching: Tensor, richness: Tensor, count: int, strategy: str, generator: torch.Generator) -> Tensor:
    """Return which of a plane's frames become anchors, shape ``(K,)``.

    Args:
        matching: Stage-3 features on which the frames are matched, shape ``(N, C, H, W)``. The features that the
            score compares would prefer frames of the same gain and speckle to frames of the same anatomy.
        richness: Structure richness of the frames, shape ``(N,)``.
        count: Number of anchors [K].
        strategy: How they are chosen.
        generator: Of strategies that draw.
    """
    embeddings = F.normalize(matching.flatten(1), dim=1).cpu()
    return select_anchors(embeddings, richness, count, strategy=strategy, generator=generator)
