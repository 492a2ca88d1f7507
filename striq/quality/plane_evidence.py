"""Evidence that a frame shows a plane: its gray-level structure correlates with that of the registered anchors.

The band of the structure leaves out gain, gray map and speckle, so the evidence holds on scanners that a model was not
trained on, where the density of the features does not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.data.preprocessing import STRUCTURE_BAND, blur_inside
from striq.quality.terms import counted_anchors
from striq.registration.affine import warp

CELL = 4  # pixels a side of the cells that the structure is averaged over
EXPECTED_SHARE = 0.98  # of unseen frames of a plane whose evidence reaches its threshold
LARGEST_SHARE_OF_OTHERS = 0.1  # of frames of other planes that may reach the threshold of evidence that is used
SHARPNESS = 4.0
MARGIN_SPREAD = 0.1  # of the correlation with anchors less that with negative anchors


def structure_map(image: Tensor) -> Tensor:
    """Return structure of the size of walls and chambers, zero outside the fan, shape ``(B, 1, H / 4, W / 4)``.

    It is the difference of two Gaussian blurs of the frame's cells.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
    """
    share = F.avg_pool2d((image > 0).to(image), CELL)
    cells = torch.where(share > 0.5, F.avg_pool2d(image, CELL) / share.clamp(min=0.5), 0.0)
    fine, coarse = (blur_inside(cells, part * cells.shape[-1]) for part in STRUCTURE_BAND)
    return fine - coarse


def registered_correlation(frame: Tensor, anchors: Tensor, transforms: Tensor) -> Tensor:
    """Return the correlation of frames' structure with that of each registered anchor, shape ``(B, K)``.

    Args:
        frame: Structure of the frames, shape ``(B, 1, H, W)``.
        anchors: Structure of the anchors, shape ``(K, 1, H, W)``.
        transforms: Pull-backs from each frame to each anchor, shape ``(B, K, 2, 3)``.
    """
    count = len(anchors)
    layers = torch.cat([anchors, (anchors != 0).to(anchors)], dim=1)
    warped = warp(layers.repeat(len(frame), 1, 1, 1), transforms.flatten(0, 1)).unflatten(0, (-1, count))
    fixed = frame[:, None, 0]
    both = (warped[:, :, 1] > 0.5) & (fixed != 0)
    moving, fixed = warped[:, :, 0] * both, fixed * both
    products = [(a * b).sum(dim=(2, 3)) for a, b in ((moving, fixed), (moving, moving), (fixed, fixed))]
    return products[0] * (products[1] * products[2]).clamp(min=1e-12).rsqrt()


def evidence_of(correlation: Tensor, anchor_share: float) -> Tensor:
    """Return the evidence of a plane, the mean correlation with the anchors that agree best, shape ``(B,)``.

    Args:
        correlation: From :func:`registered_correlation`, shape ``(B, K)``.
        anchor_share: Share of the anchors that count.
    """
    return correlation.topk(counted_anchors(correlation.shape[1], anchor_share), dim=1).values.mean(dim=1)


def evidence_probability(evidence: Tensor, threshold: Tensor, spread: Tensor) -> Tensor:
    """Return the probability that a frame shows the plane, one half at the threshold, shape ``(B,)``.

    Args:
        evidence: From :func:`evidence_of`, shape ``(B,)``.
        threshold: Evidence that nearly all unseen frames of the plane reach.
        spread: Standard deviation of their evidence.
    """
    return torch.sigmoid(SHARPNESS * (evidence - threshold) / spread.clamp(min=1e-6))


def with_evidence(posterior: Tensor, plane: int, probability: Tensor) -> Tensor:
    """Return a plane posterior in which evidence decides between one plane and none, shape ``(B, P + 1)``.

    Args:
        posterior: Probability of each plane and, last, of none, shape ``(B, P + 1)``.
        plane: Index of the plane.
        probability: That the frame shows it, by its evidence, shape ``(B,)``.
    """
    others = posterior.clone()
    others[:, [plane, -1]] = 0
    rest = others / others.sum(dim=1, keepdim=True).clamp(min=1)
    left = 1 - rest.sum(dim=1)
    rest[:, plane], rest[:, -1] = left * probability, left * (1 - probability)
    return rest
