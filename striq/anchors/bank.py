"""The anchor bank: frozen features of each plane's anchors, stored with the model, and their provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from striq.config import StriqConfig
from striq.model.encoder import STAGE_STRIDES
from striq.model.network import Pyramid
from striq.types import AnchorSource

LEVELS = 127  # of a feature on either side of zero
SHARES = 255  # of the fan mask


class AnchorBank(nn.Module):
    """Anchors of every plane as eight-bit buffers with a scale per channel: features, never pictures.

    Args:
        num_planes: Planes [P].
        num_anchors: Most anchors of a plane [K].
        config: Sizes of the maps.
    """

    def __init__(self, num_planes: int, num_anchors: int, config: StriqConfig) -> None:
        super().__init__()
        self.num_anchors = num_anchors
        height, width = config.encoder.size
        strides = zip(config.encoder.channels, STAGE_STRIDES, strict=True)
        self.shapes = [(channels, height // stride, width // stride) for channels, stride in strides]
        self.sources: list[list[AnchorSource]] = [[] for _ in range(num_planes)]
        self.resize([0] * num_planes)

    def resize(self, counts: Sequence[int]) -> None:
        """Make room for so many anchors of each plane, all zero, as a checkpoint is about to fill it."""
        for plane, count in enumerate(counts):
            for stage, (channels, *size) in enumerate(self.shapes):
                rooms = {
                    "maps": torch.zeros(count, channels, *size, dtype=torch.int8),
                    "scales": torch.zeros(count, channels, 1, 1, dtype=torch.float16),
                    "masks": torch.zeros(count, 1, *size, dtype=torch.uint8),
                }
                for name, room in rooms.items():
                    self.register_buffer(f"{name}{stage}_{plane}", room)

    def fill(self, plane: int, features: Pyramid, sources: Sequence[AnchorSource]) -> None:
        """Store the anchors of one plane in place of those before.

        Args:
            plane: Index of the plane.
            features: Frozen features of at most K frames.
            sources: Where each comes from.

        Raises:
            ValueError: If there are more anchors than places, none, or not one source each.
        """
        if not 0 < len(features) <= self.num_anchors or len(sources) != len(features):
            msg = (
                f"Expected 1 to {self.num_anchors} anchors and as many sources, got {len(features)} and {len(sources)}."
            )
            raise ValueError(msg)
        for stage, (maps, masks) in enumerate(zip(features.maps, features.masks, strict=True)):
            device = self._stored("maps", stage, plane).device
            scales = (maps.abs().amax(dim=(2, 3), keepdim=True) / LEVELS).clamp(min=1e-6).half()
            levels = (maps / scales.float()).round().clamp(-LEVELS, LEVELS)
            self.register_buffer(f"maps{stage}_{plane}", levels.to(device, torch.int8))
            self.register_buffer(f"scales{stage}_{plane}", scales.to(device))
            self.register_buffer(f"masks{stage}_{plane}", (masks * SHARES).round().to(device, torch.uint8))
        self.sources[plane] = list(sources)

    def clear(self, plane: int) -> None:
        """Forget the anchors of one plane, and remove their buffers: PyTorch cannot save a program with empty ones."""
        for name in ("maps", "scales", "masks"):
            for stage in range(len(self.shapes)):
                delattr(self, f"{name}{stage}_{plane}")
        self.sources[plane] = []

    def features(self, plane: int) -> Pyramid:
        """Return the stored anchors of one plane in single precision."""
        stages = range(len(self.shapes))
        return Pyramid(
            tuple(self._stored("maps", s, plane).float() * self._stored("scales", s, plane).float() for s in stages),
            tuple(self._stored("masks", s, plane).float() / SHARES for s in stages),
        )

    def _stored(self, name: str, stage: int, plane: int) -> Tensor:
        return cast("Tensor", self.get_buffer(f"{name}{stage}_{plane}"))
