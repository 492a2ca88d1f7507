"""What a trained scorer needs to turn terms into Q and to recognize planes, measured on unlabeled frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from striq.quality.normalization import TermRange, plane_weights
from striq.quality.plane_posterior import frame_descriptor
from striq.scoring.scorer import StriqScorer
from striq.training.cache import BATCH_SIZE, FeatureCache


def set_range_and_weights(scorer: StriqScorer, plane: int, images: Tensor, cache: FeatureCache, frames: Tensor) -> None:
    """Set a plane's range of each term and its weights of the terms.

    Args:
        scorer: Trained scorer with anchors.
        plane: Index of the plane.
        images: All prepared frames, shape ``(N, 1, H, W)``.
        cache: Their frozen features.
        frames: Indices of the plane's frames that are not anchors: an anchor matches itself perfectly.
    """
    frozen = cache.features(frames)
    terms = []
    for row, frame in enumerate(frames.tolist()):
        frame_terms = scorer.frame_terms(images[frame : frame + 1].to(scorer.device))
        terms.append(scorer.score_as_plane(frozen[row], frame_terms, plane).terms)
    stacked = torch.cat(terms)
    span = TermRange.of(stacked)
    scorer.range_low[plane], scorer.range_high[plane] = span.low, span.high
    scorer.term_weights[plane] = plane_weights(stacked, scorer.config.quality.weights)


def fit_densities(
    scorer: StriqScorer, cache: FeatureCache, frames: Mapping[int, Tensor], groups: Mapping[int, Sequence[str]]
) -> None:
    """Fit the densities that recognize planes; those of planes without frames here stay.

    Args:
        scorer: Scorer whose densities are fitted.
        cache: Frozen features.
        frames: Indices of each plane's frames, by index of the plane.
        groups: Groups of the same frames.
    """
    descriptors = {
        plane: torch.cat([frame_descriptor(cache.features(part)) for part in of_plane.split(BATCH_SIZE)])
        for plane, of_plane in frames.items()
    }
    if len(frames) == len(scorer.planes):  # directions are shared: planes that are added keep those of the first
        scorer.densities.fit_directions(torch.cat(list(descriptors.values())))
    scorer.densities.fit(descriptors, {plane: list(of_plane) for plane, of_plane in groups.items()})
