"""How frames register to the anchors of a plane."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PlaneJudgement:
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

    def cpu(self) -> PlaneJudgement:
        """Return the judgement in the memory of the CPU, copied once for all frames."""
        return PlaneJudgement(self.quality.cpu(), self.terms.cpu(), self.pair_terms.cpu(), self.transforms.cpu())


def frames_by_plane(planes: Tensor) -> dict[int, Tensor]:
    """Return the indices of the frames that are judged as each plane.

    Args:
        planes: Index of the plane of each frame, shape ``(B,)``, in the memory of the CPU.
    """
    return {plane: (planes == plane).nonzero().squeeze(1) for plane in planes.unique().tolist()}
