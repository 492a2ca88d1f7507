"""Pairs of views for pretraining: two random poses and looks of the same frame, with the transform between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striq.data.augmentation import ViewRanges, change_appearance, move, random_transform
from striq.registration.affine import compose_affine, invert_affine


@dataclass(frozen=True)
class ViewPairs:
    """Two views of each of B frames.

    Attributes:
        first: Crops of the first views, shape ``(B, 1, S, S)``.
        second: Crops of the second views, shape ``(B, 1, S, S)``.
        transforms: Pull-backs from the second view to the first, shape ``(B, 2, 3)``.
    """

    first: Tensor
    second: Tensor
    transforms: Tensor


def draw_views(extended: Tensor, count: int, crop: int, generator: torch.Generator) -> ViewPairs:
    """Return random pairs of views.

    Args:
        extended: Frames without a fan, see ``striq.data.augmentation.extend_beyond_fan``, shape ``(N, 1, H, W)``.
        count: Number of pairs [B].
        crop: Side of a view, pixels [S]; tissue is as large in it as in the frame.
        generator: Source of all randomness.
    """
    ranges = ViewRanges()
    chosen = torch.randint(len(extended), (count,), generator=generator)
    first, second, transforms = [], [], []
    for index in chosen.tolist():
        # Both views are moved, so neither keeps the fan of the frame; together they differ by less than the sum.
        poses = [random_transform(ranges, generator=generator) for _ in range(2)]
        window = _random_window(extended.shape[-1], crop, generator)
        sampled = [compose_affine(pose[None], window) for pose in poses]
        for collected, pose in zip((first, second), sampled, strict=True):
            view = move(extended[index], pose[0], (crop, crop))
            collected.append(change_appearance(view, ranges, generator=generator))
        transforms.append(compose_affine(invert_affine(sampled[0]), sampled[1]))
    return ViewPairs(torch.stack(first), torch.stack(second), torch.cat(transforms))


def _random_window(size: int, crop: int, generator: torch.Generator) -> Tensor:
    share = crop / size
    offset = (1 - share) * (2 * torch.rand(2, generator=generator) - 1)
    return torch.tensor([[[share, 0.0, float(offset[0])], [0.0, share, float(offset[1])]]])
