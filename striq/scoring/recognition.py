"""Planes of frames: the density of their features, and the evidence of the registered anchors where it is selective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striq.anchors.bank import AnchorBank
from striq.model.network import Pyramid
from striq.quality.plane_evidence import (
    MARGIN_SPREAD,
    evidence_of,
    evidence_probability,
    registered_correlation,
    structure_map,
    with_evidence,
)
from striq.quality.plane_scores import PlaneScores, score_by_plane
from striq.verdict import NO_PLANE

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer

SURE = 0.99  # probability by density from which a plane is not compared with the evidence of others


@dataclass(frozen=True)
class Recognized:
    """Planes of B frames, and the scores as these planes.

    Attributes:
        posterior: Probability of each plane and, last, of none, shape ``(B, P + 1)``.
        planes: Index of the plane that each frame is scored as.
        scores: Scores of the frames, each of one frame.
    """

    posterior: Tensor
    planes: list[int]
    scores: list[PlaneScores]

    @property
    def show_none(self) -> list[bool]:
        """Whether each frame shows none of the planes."""
        return (self.posterior.argmax(dim=1) == self.posterior.shape[1] - 1).tolist()

    def names(self, planes: Sequence[str]) -> list[str]:
        """Return the name of the plane of each frame, or ``"none"``.

        Args:
            planes: Names of the scorer's planes.
        """
        return [
            NO_PLANE if shows_none else planes[plane]
            for plane, shows_none in zip(self.planes, self.show_none, strict=True)
        ]


def recognize(scorer: StriqScorer, image: Tensor, frozen: Pyramid, frame_terms: Tensor) -> Recognized:
    """Return planes and scores of frames.

    Convention:
        - A frame is scored as its likeliest plane by density. Where evidence for that plane is used, or the plane has
          negative anchors, they decide between the plane and none.
        - A frame that shows none is compared with the other planes whose evidence is used, in their order. The first
          that it has enough evidence for is its plane.
        - So is a frame whose plane has no evidence of its own and is not sure. Where evidence of the other plane has
          the higher probability, the frame shows that plane, or none if negative anchors are nearer.

    Args:
        scorer: Fitted scorer.
        image: Prepared frames, shape ``(B, 1, H, W)``.
        frozen: Their frozen features.
        frame_terms: Terms of the frames by themselves, shape ``(B, F)``.
    """
    posterior = scorer.plane_posterior(frozen)
    likeliest = posterior[:, :-1].argmax(dim=1).cpu()
    found: dict[int, tuple[int, PlaneScores]] = {}
    for plane, members, scores in score_by_plane(scorer.score_as_plane, frozen, frame_terms, likeliest):
        rows = members.to(image.device)
        if scorer.uses_evidence(plane) or scorer.negatives.sources[plane]:
            probability = plane_probability(scorer, image[rows], scores, plane)
            posterior[rows] = with_evidence(posterior[rows], plane, probability)
        found |= {int(i): (plane, scores.frame(row)) for row, i in enumerate(members)}
    for plane in filter(scorer.uses_evidence, range(len(scorer.planes))):
        for i in _open_frames(scorer, posterior, likeliest, plane):
            scores = scorer.score_as_plane(frozen[i], frame_terms[i : i + 1], plane)
            evidence, probability = _probabilities(scorer, image[i : i + 1], scores, plane)
            named = posterior[i, :-1].max()
            if posterior[i, -1] > named and float(probability) > 0.5:
                posterior[i] = with_evidence(posterior[i : i + 1], plane, probability)[0]
                found[i] = plane, scores
            elif posterior[i, -1] <= named < evidence:
                posterior[i] = with_evidence(torch.zeros_like(posterior[i : i + 1]), plane, probability)[0]
                found[i] = plane, scores
    planes, of_frames = zip(*(found[i] for i in range(len(image))), strict=True)
    return Recognized(posterior, list(planes), list(of_frames))


def _open_frames(scorer: StriqScorer, posterior: Tensor, likeliest: Tensor, plane: int) -> list[int]:
    """Return the frames that the evidence of a plane, other than their likeliest one, may decide."""
    probability, shown = posterior.max(dim=1)
    unsure = (probability < SURE).cpu() & torch.tensor([not scorer.uses_evidence(int(p)) for p in likeliest])
    is_open = (shown.cpu() == len(scorer.planes)) | unsure
    return (is_open & (likeliest != plane)).nonzero().flatten().tolist()


def plane_probability(scorer: StriqScorer, image: Tensor, scores: PlaneScores, plane: int) -> Tensor:
    """Return the probability that frames show a plane, by its anchors and negative anchors, shape ``(B,)``.

    Convention:
        - A frame whose structure correlates better with a negative anchor than with every anchor does not show it.

    Args:
        scorer: Scorer that uses evidence or has negative anchors for the plane.
        image: Prepared frames, shape ``(B, 1, H, W)``.
        scores: The frames as this plane.
        plane: Index of the plane.
    """
    return _probabilities(scorer, image, scores, plane)[1]


def _probabilities(scorer: StriqScorer, image: Tensor, scores: PlaneScores, plane: int) -> tuple[Tensor, Tensor]:
    """Return the probability that frames show a plane, by its anchors, and by negative anchors too, each ``(B,)``."""
    structure = _structure(image)
    correlation = _correlation(scorer.bank, structure, scores.transforms, plane)
    by_anchors = torch.ones_like(correlation[:, 0])
    if scorer.uses_evidence(plane):
        evidence = evidence_of(correlation, scorer.config.quality.anchor_share)
        by_anchors = evidence_probability(evidence, *scorer.evidence_range[plane])
    if not scorer.negatives.sources[plane]:
        return by_anchors, by_anchors
    others = _correlation(scorer.negatives, structure, scores.negative_transforms, plane)
    margin = correlation.amax(dim=1) - others.amax(dim=1)
    nearer = evidence_probability(margin, *margin.new_tensor([0, MARGIN_SPREAD]))
    return by_anchors, torch.minimum(by_anchors, nearer)


def plane_evidence(scorer: StriqScorer, image: Tensor, transforms: Tensor, plane: int) -> Tensor:
    """Return the evidence that frames show a plane, shape ``(B,)``.

    Args:
        scorer: Scorer with the plane's anchors.
        image: Prepared frames, shape ``(B, 1, H, W)``.
        transforms: Pull-backs from each frame to each anchor, shape ``(B, K, 2, 3)``.
        plane: Index of the plane.
    """
    correlation = _correlation(scorer.bank, _structure(image), transforms, plane)
    return evidence_of(correlation, scorer.config.quality.anchor_share)


def _structure(image: Tensor) -> Tensor:
    """Return the structure of frames, each computed by itself so that it does not depend on the others."""
    return torch.cat([structure_map(frame) for frame in image.split(1)])


def _correlation(bank: AnchorBank, structure: Tensor, transforms: Tensor, plane: int) -> Tensor:
    """Return the correlation of frames' structure with that of each anchor of a plane, shape ``(B, K)``."""
    anchors, pairs = bank.structure(plane), zip(structure.split(1), transforms.split(1), strict=True)
    return torch.cat([registered_correlation(frame, anchors, transform) for frame, transform in pairs])
