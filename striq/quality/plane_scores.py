"""How frames register to the anchors of a plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from striq.model.network import Pyramid


@dataclass(frozen=True)
class PlaneScores:
    """How frames register to one plane's anchors.

    Attributes:
        quality: Q, shape ``(B,)``.
        terms: Similarity, NCC, smoothness and contrast of each frame, shape ``(B, 4)``.
        pair_terms: The first three of every pair, shape ``(B, K, 3)``.
        transforms: Pull-backs from each frame to each anchor, shape ``(B, K, 2, 3)``.
    """

    quality: Tensor
    terms: Tensor
    pair_terms: Tensor
    transforms: Tensor

    def cpu(self) -> PlaneScores:
        """Return the judgement in the memory of the CPU, copied once for all frames."""
        return PlaneScores(self.quality.cpu(), self.terms.cpu(), self.pair_terms.cpu(), self.transforms.cpu())


def score_by_plane(
    judge: Callable[[Pyramid, Tensor, int], PlaneScores], frozen: Pyramid, contrast: Tensor, planes: Tensor
) -> Iterator[tuple[int, Tensor, PlaneScores]]:
    """Yield planes, the indices of the frames judged as each, and how those are judged.

    Args:
        judge: Judges frames, by features and contrast, as one plane.
        frozen: Frozen features of the frames.
        contrast: Contrast term of the frames, shape ``(B,)``.
        planes: Index of the plane of each frame, shape ``(B,)``, in the memory of the CPU.
    """
    for plane in planes.unique().tolist():
        members = (planes == plane).nonzero().squeeze(1)
        some = slice(None) if len(members) == len(planes) else members.to(contrast.device)
        yield plane, members, judge(frozen[some], contrast[some], plane)
