"""Orientation of frames: whether a plane is recorded from both sides, and which frames are mirror images.

A fetus faces left or right, and a right hip mirrors a left one. An affine registration with the determinant of the
identity cannot turn one into the other, so such planes get anchors of both orientations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.model.network import Pyramid

STAGES, GRIDS = (1, 2), (16, 8)  # stages (from 0) whose layout is compared, and the cells a side
STARTS = 8  # random starts of the alternation, of which the best is used
ROUNDS = 50
SMALLEST_GAIN = 1.05  # by which mirroring frames lengthens their mean; measured: docs/experiments.md


@dataclass(frozen=True)
class Orientation:
    """Which of a plane's frames are mirror images of the others.

    Attributes:
        mirrored: Frames to be mirrored so that all agree best, shape ``(N,)``.
        gain: Length of the mean layout of frames that agree, over its length as they are; at least about 1.
        difference: Mean over these frames, as they agree, of the layout less that of the mirror image, shape ``(D,)``.
    """

    mirrored: Tensor
    gain: float
    difference: Tensor

    @property
    def both_sides(self) -> bool:
        """Whether the plane is recorded from both sides."""
        return self.gain >= SMALLEST_GAIN

    def mirrored_among(self, frames: Tensor, mirror_images: Tensor) -> Tensor:
        """Return which of other frames of the plane are mirror images of those that agree, shape ``(M,)``.

        Args:
            frames: Layouts of M frames, shape ``(M, D)``.
            mirror_images: Layouts of the same frames mirrored, shape ``(M, D)``.
        """
        return _agree_better_mirrored(frames, mirror_images, self.difference)


def layout(features: Pyramid) -> Tensor:
    """Return a descriptor of what lies where, shape ``(B, N)``.

    Args:
        features: Frozen features, not centered.
    """
    parts = []
    for stage, grid in zip(STAGES, GRIDS, strict=True):
        maps, inside = features.maps[stage], (features.masks[stage] > 0).to(features.maps[stage])
        mean = (maps * inside).sum(dim=(2, 3), keepdim=True) / inside.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        pooled = F.adaptive_avg_pool2d((maps - mean) * inside, grid)
        parts.append(F.normalize(pooled.flatten(1), dim=1))
    return torch.cat(parts, dim=1)


def find_orientation(frames: Tensor, mirror_images: Tensor, generator: torch.Generator) -> Orientation:
    """Choose for each frame the frame or its mirror image, so that all agree best.

    Convention:
        - Two steps alternate: the mean of the chosen layouts, and the choice that agrees better with it.

    Args:
        frames: Layouts of N frames, shape ``(N, D)``.
        mirror_images: Layouts of the same frames mirrored, shape ``(N, D)``.
        generator: Of the random starts.
    """
    best, longest = torch.zeros(len(frames), dtype=torch.bool), -1.0
    for _ in range(STARTS):
        mirrored = torch.rand(len(frames), generator=generator) < 0.5
        for _ in range(ROUNDS):
            difference = _mean_difference(frames, mirror_images, mirrored)
            updated = _agree_better_mirrored(frames, mirror_images, difference)
            if torch.equal(updated, mirrored):
                break
            mirrored = updated
        length = float(_chosen(frames, mirror_images, mirrored).mean(dim=0).norm())
        if length > longest:
            best, longest = mirrored, length
    # Both choices are equally good; the one that mirrors fewer frames is returned.
    best = ~best if best.float().mean() > 0.5 else best
    gain = longest / max(1e-9, float(frames.mean(dim=0).norm()))
    return Orientation(best, gain, _mean_difference(frames, mirror_images, best))


def _mean_difference(frames: Tensor, mirror_images: Tensor, mirrored: Tensor) -> Tensor:
    return (_chosen(frames, mirror_images, mirrored) - _chosen(mirror_images, frames, mirrored)).mean(dim=0)


def _agree_better_mirrored(frames: Tensor, mirror_images: Tensor, difference: Tensor) -> Tensor:
    return (mirror_images - frames) @ difference > 0


def _chosen(frames: Tensor, mirror_images: Tensor, mirrored: Tensor) -> Tensor:
    return torch.where(mirrored[:, None], mirror_images, frames)
