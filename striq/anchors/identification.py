"""Which frames the anchors of a model come from, found by content: the model holds hashes of their names only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.anchors.bank import AnchorBank
from striq.model.network import Pyramid

BATCH_SIZE = 16
# Cosine of two patterns. Of a frame and its stored anchor, 1 - cosine is 1.2e-4 at most (8-bit rounding); of different
# frames of one cine, 1.4e-3 at least in a phantom that hardly moves, and 1.9e-2 in a heart.
SAME_FRAME = 0.9995


@torch.no_grad()
def find_frames_of_anchors(
    bank: AnchorBank, plane: int, images: Iterable[Tensor], embed: Callable[[Tensor], Pyramid]
) -> list[list[int]]:
    """Return for each anchor of a plane the numbers of the frames that it comes from, the most alike first.

    The list of an anchor is empty if its frame is not among those given; it has several if copies of the frame are.

    Args:
        bank: Anchors of the model.
        plane: Index of the plane.
        images: Prepared frames, each ``(1, H, W)``.
        embed: Makes frozen features of prepared frames ``(B, 1, H, W)``.
    """
    stored = bank.features(plane)
    anchors, device = _patterns(stored), stored.maps[-1].device
    mirrored = torch.tensor([source.mirrored for source in bank.sources[plane]])
    alike: list[Tensor] = [torch.empty(0, len(anchors))]
    remaining = iter(images)
    while some := list(itertools.islice(remaining, BATCH_SIZE)):
        batch = torch.stack(some).to(device)
        cosines = _patterns(embed(batch)) @ anchors.T
        if mirrored.any():
            cosines = torch.where(mirrored, _patterns(embed(batch.flip(-1))) @ anchors.T, cosines)
        alike.append(cosines)
    return [_numbers_of_same(cosines) for cosines in torch.cat(alike).T]


def _patterns(features: Pyramid) -> Tensor:
    """Return unit vectors of the last stage without the mean of each channel, which all frames share, ``(B, N)``."""
    maps = features.maps[-1].float().cpu()
    return F.normalize((maps - maps.mean(dim=(2, 3), keepdim=True)).flatten(1), dim=1)


def _numbers_of_same(cosines: Tensor) -> list[int]:
    order = cosines.argsort(descending=True, stable=True)
    return order[cosines[order] > SAME_FRAME].tolist()
