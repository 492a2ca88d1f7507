"""Some frames, prepared for the encoder together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striq.data.preprocessing import Box, crop_and_prepare
from striq.types import Frame


@dataclass(frozen=True)
class Batch:
    """Frames, the boxes of their fans, and the prepared frames, shape ``(B, 1, H, W)``."""

    frames: list[Frame]
    crops: list[Box]
    image: Tensor

    @classmethod
    def prepare(cls, frames: list[Frame], size: tuple[int, int]) -> Batch:
        """Return frames prepared for the encoder."""
        images, crops = zip(*(crop_and_prepare(frame, size) for frame in frames), strict=True)
        return cls(frames, list(crops), torch.stack(images))
