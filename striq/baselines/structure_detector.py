"""Weighted Score: how surely a detector finds the structures that a plane must show. It is trained on boxes.

After the detectors of the paper's comparison (ARVBNet, FUIQA, MF R-CNN), with centers as heat maps (Zhou et al.,
"Objects as Points", 2019) at half the resolution of the pictures by a U-Net of MONAI.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np
import torch
from monai.networks.nets.basic_unet import BasicUNet
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.extras import BOXES
from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline
from striq.data.structure_boxes import StructureBox

STRIDE = 2  # pixels of a picture in one of a heat map, a side
SIDE = 32  # pixels of the heat maps
WIDTHS = (16, 16, 32, 32, 64, 16)
STEPS, BATCH_SIZE, LEARNING_RATE = 240, 8, 2e-3
FEWEST = 0.2  # share of the training frames in which a structure is marked, below which it is no part of the plane
SMALLEST_SPREAD = 1.0  # of a heat map around a center, pixels
START = -2.2  # logit at the start: one location in ten is a center


@baseline
class WeightedScore(Baseline):
    """Mean confidence of the most confident location of each structure, weighted by how often it is marked."""

    name: ClassVar[str] = "Weighted Score (uses boxes)"
    needs: ClassVar[str] = BOXES

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Train the detector on the boxes of the training frames."""
        del anchors
        boxes = frames.boxes or ((),) * len(frames)
        counts = Counter(box.structure for marked in boxes for box in marked)
        names = sorted(name for name, count in counts.items() if count >= FEWEST * len(frames))
        self._weights = torch.tensor([float(counts[name]) for name in names])
        self._network = _train(_shrunk(frames.images), heat_maps(boxes, names)) if names else None

    @torch.no_grad()
    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``; the same for all if no structure was marked in training."""
        if self._network is None:
            return np.zeros(len(frames))
        network = self._network
        peaks = [network(part).sigmoid().amax(dim=(2, 3)) for part in _shrunk(frames.images).split(BATCH_SIZE)]
        return as_scores(torch.cat(peaks) @ self._weights / self._weights.sum())


def heat_maps(boxes: tuple[tuple[StructureBox, ...], ...], names: list[str]) -> Tensor:
    """Return a Gaussian around the center of every marked structure, 1 at the center, shape ``(N, S, SIDE, SIDE)``.

    Args:
        boxes: Marked structures of N frames.
        names: Names of the S structures.
    """
    maps = torch.zeros(len(boxes), len(names), SIDE, SIDE)
    places = torch.arange(SIDE, dtype=torch.float32)
    for frame, marked in enumerate(boxes):
        for one in marked:
            if one.structure not in names:
                continue
            top, left, bottom, right = (SIDE * edge for edge in one.box)
            row, column = ((low + high) / 2 - 0.5 for low, high in ((top, bottom), (left, right)))
            if not (0 <= round(row) < SIDE and 0 <= round(column) < SIDE):
                continue
            spreads = (max(SMALLEST_SPREAD, (high - low) / 6) for low, high in ((top, bottom), (left, right)))
            down, across = (
                torch.exp(-(((places - round(at)) / spread) ** 2) / 2)
                for at, spread in zip((row, column), spreads, strict=True)
            )
            channel = maps[frame, names.index(one.structure)]
            torch.maximum(channel, down[:, None] * across, out=channel)
    return maps


def _shrunk(images: Tensor) -> Tensor:
    """Return small pictures, the pixels of a location of the heat map as channels."""
    side = STRIDE * SIDE
    return F.pixel_unshuffle(F.interpolate(images, (side, side), mode="bilinear", antialias=True), STRIDE)


def _train(images: Tensor, targets: Tensor) -> BasicUNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = BasicUNet(2, images.shape[1], targets.shape[1], WIDTHS, upsample="nontrainable")
    torch.nn.init.constant_(network.final_conv.bias, START)  # pyright: ignore[reportArgumentType]
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        rows = torch.randint(len(images), (BATCH_SIZE,), generator=generator)
        optimizer.zero_grad()
        center_loss(network(images[rows]), targets[rows]).backward()
        optimizer.step()
    return network.eval()


def center_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the focal loss of heat maps with less penalty near centers, a scalar (Zhou et al. 2019, equation 1)."""
    probability = logits.sigmoid()
    centers = (targets == 1).to(logits)
    at_centers = -F.logsigmoid(logits) * (1 - probability).square() * centers
    elsewhere = -F.logsigmoid(-logits) * probability.square() * (1 - targets) ** 4 * (1 - centers)
    return (at_centers.sum() + elsewhere.sum()) / centers.sum().clamp(min=1)
