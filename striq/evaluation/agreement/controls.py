"""Scores of frames and of the controls they are always shown beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from striq.data.preprocessing import intensity_std
from striq.model.network import Pyramid
from striq.registration.vectors import unit_vectors
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

MAIN = "STRIQ"
INTENSITY_STD = "in-fan intensity std"
UNREGISTERED = "unregistered centered cosine"
NO_SUBSPACE = "OKS off"
NO_REGISTRATION = "registration off"
CONTROLS = (INTENSITY_STD, UNREGISTERED, NO_SUBSPACE, NO_REGISTRATION)


@dataclass(frozen=True)
class ScoredFrames:
    """Scores of N frames by name, and whether the main score accepts each, shape ``(N,)``."""

    scores: dict[str, NDArray[np.float64]]
    accepted: NDArray[np.bool_]


@torch.inference_mode()
def score_with_controls(
    scorer: StriqScorer, images: Tensor, records: Sequence[FrameRecord], *, quiet: bool = False
) -> ScoredFrames:
    """Score frames as the plane they are said to show, with every control.

    Args:
        scorer: Fitted scorer.
        images: Prepared frames, shape ``(N, 1, H, W)``.
        records: What each frame is.
        quiet: Do not show a progress bar.
    """
    collected: dict[str, list[float]] = {name: [] for name in (MAIN, *CONTROLS)}
    indices = range(len(records))
    for index in track(indices, description="Scoring", disable=quiet, transient=True):
        plane = scorer.plane_index(records[index].plane)
        for name, value in _scores_of(scorer, images[index : index + 1].to(scorer.device), plane).items():
            collected[name].append(value)
    scores = {name: np.array(values) for name, values in collected.items()}
    return ScoredFrames(scores, scores[MAIN] > scorer.config.quality.threshold)


def _scores_of(scorer: StriqScorer, image: Tensor, plane: int) -> dict[str, float]:
    frozen, frame_terms = scorer.embed(image), scorer.frame_terms(image)
    anchors = scorer.bank.features(plane)
    cosine = unregistered_cosine(scorer.model.center(frozen, plane), scorer.model.center(anchors, plane))
    return {
        MAIN: float(scorer.score_as_plane(frozen, frame_terms, plane).quality),
        INTENSITY_STD: float(intensity_std(image)),
        UNREGISTERED: float(cosine.mean()),
        NO_SUBSPACE: float(scorer.score_as_plane(frozen, frame_terms, plane, specialized=False).quality),
        NO_REGISTRATION: float(scorer.score_as_plane(frozen, frame_terms, plane, registered=False).quality),
    }


def unregistered_cosine(query: Pyramid, anchors: Pyramid) -> Tensor:
    """Return the mean stage-3 cosine inside the query's fan, without any registration, shape ``(B, K)``."""
    a = unit_vectors(query.maps[-1]) * query.masks[-1]
    b = unit_vectors(anchors.maps[-1])
    return a.flatten(1) @ b.flatten(1).T / query.masks[-1].flatten(1).sum(dim=1, keepdim=True).clamp(min=1e-6)
