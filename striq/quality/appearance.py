"""Appearance of frames: mean and standard deviation of every channel, which differ between scanners more than organs.

Giving the features of a frame the statistics of others is adaptive instance normalization (Huang and Belongie,
Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization, ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.model.network import Pyramid

MINIMUM_DEVIATION = 1e-6


@dataclass(frozen=True)
class Appearance:
    """Statistics of feature maps inside the fan, stages 1 to 3.

    Attributes:
        means: Mean of every channel, each ``(B, C, 1, 1)``.
        deviations: Standard deviation of every channel, each ``(B, C, 1, 1)``.
    """

    means: tuple[Tensor, ...]
    deviations: tuple[Tensor, ...]

    @classmethod
    def of(cls, features: Pyramid) -> Appearance:
        """Return the appearance of each frame.

        Args:
            features: Frozen features.
        """
        pairs = [_statistics(maps, mask) for maps, mask in zip(features.maps, features.masks, strict=True)]
        return cls(tuple(mean for mean, _ in pairs), tuple(deviation for _, deviation in pairs))

    def mean(self) -> Appearance:
        """Return the mean appearance of all frames, as that of one frame."""
        return Appearance(_mean_frame(self.means), _mean_frame(self.deviations))


def match_appearance(features: Pyramid, reference: Appearance, share: float) -> Pyramid:
    """Return features whose appearance lies between their own and that of a reference.

    Args:
        features: Frozen features of B frames.
        reference: Appearance of one frame.
        share: 0 leaves the features as they are, 1 gives them the appearance of the reference.
    """
    own, matched = Appearance.of(features), []
    for stage, (maps, mask) in enumerate(zip(features.maps, features.masks, strict=True)):
        scale = reference.deviations[stage] / own.deviations[stage].clamp(min=MINIMUM_DEVIATION)
        normalized = (maps - own.means[stage]) * scale + reference.means[stage]
        matched.append(torch.where(mask > 0, (1 - share) * maps + share * normalized, maps))
    return Pyramid(tuple(matched), features.masks)


def _statistics(maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    inside = (mask > 0).to(maps)
    count = inside.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (maps * inside).sum(dim=(2, 3), keepdim=True) / count
    variance = ((maps - mean).square() * inside).sum(dim=(2, 3), keepdim=True) / count
    return mean, variance.sqrt()


def _mean_frame(statistics: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(values.mean(dim=0, keepdim=True) for values in statistics)
