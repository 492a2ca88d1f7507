"""Stability of anchors: where the anchors of a plane agree with one another after registration."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.model.aligner import Alignment
from striq.model.network import Pyramid, StriqModel
from striq.scoring.scorer import StriqScorer


@torch.no_grad()
def set_stability(scorer: StriqScorer, plane: int, side: Tensor) -> None:
    """Measure the stability of a plane's anchors and store it in the bank.

    Convention:
        - The stability of an anchor at a location is the mean cosine to the other anchors there, at least 0.
        - Of a plane recorded from both sides, anchors of one side are compared with one another.

    Args:
        scorer: Scorer whose bank holds the anchors.
        plane: Index of the plane.
        side: Which anchors face the other way, shape ``(K,)``.
    """
    frozen = scorer.bank.features(plane)
    transforms = torch.cat([scorer.engine.pair_terms(frozen[i], plane).transforms for i in range(len(frozen))])
    compared = scorer.model.specialize(frozen, plane)
    maps = [agreement_with_others(compared, transforms[i], i, side) for i in range(len(frozen))]
    scorer.bank.set_stability(plane, [torch.cat(stage) for stage in zip(*maps, strict=True)])


def agreement_with_others(compared: Pyramid, transforms: Tensor, number: int, side: Tensor) -> list[Tensor]:
    """Return the mean cosine of the other anchors to one anchor, stages 1 to 3, each ``(1, 1, H, W)``, at least 0.

    An anchor without others of its side has stability 1 everywhere.

    Args:
        compared: Compared features of the K anchors.
        transforms: Pull-backs from the anchor to every anchor, shape ``(K, 2, 3)``.
        number: Place of the anchor among them.
        side: Which anchors face the other way, shape ``(K,)``.
    """
    others = (side == side[number]) & (torch.arange(len(side)) != number)
    chosen = others.nonzero().squeeze(1).to(transforms.device)
    if not len(chosen):
        return [torch.ones_like(mask[:1]) for mask in compared.masks]
    fixed, transform = compared[number].tile(len(chosen)), transforms[chosen]
    registration = StriqModel.warp_onto(Alignment(transform, (transform,)), fixed, compared[chosen])
    stages = zip(registration.warped, fixed.maps, registration.overlap, strict=True)
    return [_mean_cosine(*stage) for stage in stages]


def _mean_cosine(moving: Tensor, fixed: Tensor, overlap: Tensor) -> Tensor:
    cosine = F.cosine_similarity(moving, fixed, dim=1)[:, None]
    total = (cosine * overlap).sum(dim=0, keepdim=True)
    return (total / overlap.sum(dim=0, keepdim=True).clamp(min=1e-6)).clamp(0, 1)
