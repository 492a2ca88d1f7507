"""Scores of frames as one plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from torch import Tensor

from striq.model.network import Pyramid


@dataclass(frozen=True)
class PlaneScores:
    """How frames register to one plane's anchors.

    Attributes:
        quality: Q, shape ``(B,)``.
        terms: Raw terms of each frame, shape ``(B, T + F)``.
        normalized_terms: The same on the scale of Q, shape ``(B, T + F)``.
        pair_terms: Pair terms of each frame with each anchor, shape ``(B, K, T)``.
        transforms: Pull-backs from each frame to each anchor, shape ``(B, K, 2, 3)``.
        negative_transforms: Pull-backs from each frame to each negative anchor, shape ``(B, R, 2, 3)``.
        excess: By how much negative anchors raise each pair term (``striq.quality.negatives``), shape ``(B, T)``.
        uncertainty: Standard error of Q over the anchors that count, shape ``(B,)``.
    """

    quality: Tensor
    terms: Tensor
    normalized_terms: Tensor
    pair_terms: Tensor
    transforms: Tensor
    negative_transforms: Tensor
    excess: Tensor
    uncertainty: Tensor

    def frame(self, row: int) -> PlaneScores:
        """Return the scores of one of the frames."""
        return PlaneScores(**{part.name: getattr(self, part.name)[row : row + 1] for part in fields(self)})

    def cpu(self) -> PlaneScores:
        """Return the scores in the memory of the CPU."""
        return PlaneScores(**{part.name: getattr(self, part.name).cpu() for part in fields(self)})


def score_by_plane(
    score_as_plane: Callable[[Pyramid, Tensor, int], PlaneScores], frozen: Pyramid, frame_terms: Tensor, planes: Tensor
) -> Iterator[tuple[int, Tensor, PlaneScores]]:
    """Yield planes, the indices of the frames scored as each, and their scores.

    Args:
        score_as_plane: Scores frames, by features and frame terms, as one plane.
        frozen: Frozen features of the frames.
        frame_terms: Terms of the frames by themselves, shape ``(B, F)``.
        planes: Index of the plane of each frame, shape ``(B,)``, in the memory of the CPU.
    """
    for plane in planes.unique().tolist():
        members = (planes == plane).nonzero().squeeze(1)
        some = slice(None) if len(members) == len(planes) else members.to(frame_terms.device)
        yield plane, members, score_as_plane(frozen[some], frame_terms[some], plane)
