"""The anchor bank: frozen features of each plane's anchors, stored with the model, and their provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from striq.config import StriqConfig
from striq.model.encoder import STAGE_STRIDES
from striq.model.striq import Pyramid
from striq.types import AnchorSource


class AnchorBank(nn.Module):
    """Anchors of every plane as half-precision buffers: features, never pictures.

    Args:
        num_planes: Planes [P].
        num_anchors: Places per plane [K]; a plane with fewer frames leaves some empty.
        config: Sizes of the maps.
    """

    filled: Tensor

    def __init__(self, num_planes: int, num_anchors: int, config: StriqConfig) -> None:
        super().__init__()
        height, width = config.encoder.size
        for stage, (channels, stride) in enumerate(zip(config.encoder.channels, STAGE_STRIDES, strict=True)):
            size = (height // stride, width // stride)
            places = (num_planes, num_anchors)
            self.register_buffer(f"maps{stage}", torch.zeros(*places, channels, *size, dtype=torch.float16))
            self.register_buffer(f"masks{stage}", torch.zeros(*places, 1, *size, dtype=torch.float16))
        self.register_buffer("filled", torch.zeros(num_planes, num_anchors, dtype=torch.bool))
        self.sources: list[list[AnchorSource]] = [[] for _ in range(num_planes)]

    def fill(self, plane: int, features: Pyramid, sources: Sequence[AnchorSource]) -> None:
        """Store the anchors of one plane in place of those before.

        Args:
            plane: Index of the plane.
            features: Frozen features of at most K frames.
            sources: Where each comes from.

        Raises:
            ValueError: If there are more anchors than places, none, or not one source each.
        """
        places = self.filled.shape[1]
        if not 0 < len(features) <= places or len(sources) != len(features):
            msg = f"Expected 1 to {places} anchors with one source each, got {len(features)} and {len(sources)}."
            raise ValueError(msg)
        for stage in range(len(STAGE_STRIDES)):
            for name, values in (("maps", features.maps[stage]), ("masks", features.masks[stage])):
                buffer = cast("Tensor", self.get_buffer(f"{name}{stage}"))
                buffer[plane].zero_()
                buffer[plane, : len(features)] = values.to(buffer)
        self.filled[plane] = torch.arange(places, device=self.filled.device) < len(features)
        self.sources[plane] = list(sources)

    def features(self, plane: int) -> Pyramid:
        """Return the stored anchors of one plane in single precision; empty places are left out."""
        count = len(self.sources[plane])
        stages = range(len(STAGE_STRIDES))
        return Pyramid(
            tuple(cast("Tensor", self.get_buffer(f"maps{stage}"))[plane, :count].float() for stage in stages),
            tuple(cast("Tensor", self.get_buffer(f"masks{stage}"))[plane, :count].float() for stage in stages),
        )
