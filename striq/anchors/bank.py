"""Anchor bank: the frozen features of each plane's anchors, stored in the model, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from striq.config import StriqConfig
from striq.model.encoder import STAGE_STRIDES
from striq.model.network import Pyramid
from striq.types import AnchorSource

MAX_FEATURE_LEVEL = 127  # of a signed 8-bit feature
MAX_MASK_LEVEL = 255  # of an unsigned 8-bit mask or stability map


class AnchorBank(nn.Module):
    """Features of every plane's anchors, stored as 8-bit buffers with one scale per channel.

    The bank holds features only, never images.

    Args:
        num_planes: Number of planes [P].
        num_anchors: Maximum number of anchors per plane [K].
        config: Settings that define the sizes of the feature maps.
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
        """Allocate zero-filled buffers of the given number of anchors per plane, to be filled from a checkpoint.

        Args:
            counts: Number of anchors of each plane.
        """
        for plane, count in enumerate(counts):
            for stage, (channels, *size) in enumerate(self.shapes):
                buffers = {
                    "maps": torch.zeros(count, channels, *size, dtype=torch.int8),
                    "scales": torch.zeros(count, channels, 1, 1, dtype=torch.float16),
                    "masks": torch.zeros(count, 1, *size, dtype=torch.uint8),
                    "stability": torch.full((count, 1, *size), MAX_MASK_LEVEL, dtype=torch.uint8),
                }
                for name, buffer in buffers.items():
                    self.register_buffer(f"{name}{stage}_{plane}", buffer)
            self.register_buffer(f"structure_{plane}", torch.zeros(count, 1, *self.shapes[0][1:], dtype=torch.int8))

    def fill(self, plane: int, features: Pyramid, sources: Sequence[AnchorSource]) -> None:
        """Replace the anchors of one plane.

        Args:
            plane: Index of the plane.
            features: Frozen features of at most K frames.
            sources: Provenance of each frame.

        Raises:
            ValueError: If there are no anchors, more than K, or not exactly one source per anchor.
        """
        if not 0 < len(features) <= self.num_anchors or len(sources) != len(features):
            msg = (
                f"Expected 1 to {self.num_anchors} anchors and as many sources, got {len(features)} and {len(sources)}."
            )
            raise ValueError(msg)
        for stage, (maps, masks) in enumerate(zip(features.maps, features.masks, strict=True)):
            device = self._stored("maps", stage, plane).device
            scales = (maps.abs().amax(dim=(2, 3), keepdim=True) / MAX_FEATURE_LEVEL).clamp(min=1e-6).half()
            levels = (maps / scales.float()).round().clamp(-MAX_FEATURE_LEVEL, MAX_FEATURE_LEVEL)
            self.register_buffer(f"maps{stage}_{plane}", levels.to(device, torch.int8))
            self.register_buffer(f"scales{stage}_{plane}", scales.to(device))
            self.register_buffer(f"masks{stage}_{plane}", _as_levels(masks).to(device))
            self.register_buffer(f"stability{stage}_{plane}", _as_levels(torch.ones_like(masks)).to(device))
        structure = torch.zeros(len(features), 1, *self.shapes[0][1:], dtype=torch.int8)
        self.register_buffer(f"structure_{plane}", structure.to(features.maps[0].device))
        self.sources[plane] = list(sources)

    def keep(self, plane: int, numbers: Sequence[int]) -> None:
        """Keep some anchors of one plane, bit for bit, and remove the others.

        Args:
            plane: Index of the plane.
            numbers: Anchors to keep, in their new order.

        Raises:
            ValueError: If there are none.
        """
        if not numbers:
            msg = "Expected at least 1 anchor to keep, got none."
            raise ValueError(msg)
        for name, buffer in list(self.named_buffers()):
            if name.endswith(f"_{plane}"):
                self.register_buffer(name, buffer[list(numbers)])
        self.sources[plane] = [self.sources[plane][number] for number in numbers]

    def empty(self, plane: int) -> None:
        """Remove the anchors of one plane; its buffers have a length of 0.

        Args:
            plane: Index of the plane.
        """
        for name, buffer in list(self.named_buffers()):
            if name.endswith(f"_{plane}"):
                self.register_buffer(name, buffer[:0])
        self.sources[plane] = []

    def clear(self, plane: int) -> None:
        """Remove the anchors of one plane and their buffers; PyTorch cannot export a program with empty buffers."""
        for name in ("maps", "scales", "masks", "stability"):
            for stage in range(len(self.shapes)):
                delattr(self, f"{name}{stage}_{plane}")
        delattr(self, f"structure_{plane}")
        self.sources[plane] = []

    def stored_sources(self) -> list[list[dict[str, Any]]]:
        """Return where the anchors of each plane come from, in plain containers."""
        return [[asdict(source) for source in of_plane] for of_plane in self.sources]

    def restore_sources(self, stored: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        """Restore what :meth:`stored_sources` returned."""
        self.sources = [[AnchorSource(**source) for source in of_plane] for of_plane in stored]

    def features(self, plane: int) -> Pyramid:
        """Return the stored anchors of one plane in single precision."""
        stages = range(len(self.shapes))
        return Pyramid(
            tuple(self._stored("maps", s, plane).float() * self._stored("scales", s, plane).float() for s in stages),
            self.masks(plane),
        )

    def masks(self, plane: int) -> tuple[Tensor, ...]:
        """Return the fan masks of one plane's anchors, 0 to 1, stages 1 to 3, each ``(K, 1, H, W)``."""
        stages = range(len(self.shapes))
        return tuple(self._stored("masks", s, plane).float() / MAX_MASK_LEVEL for s in stages)

    def set_stability(self, plane: int, maps: Sequence[Tensor]) -> None:
        """Store how well the other anchors of a plane agree with each anchor.

        Args:
            plane: Index of the plane.
            maps: From 0 to 1, stages 1 to 3, each ``(K, 1, H, W)``; see ``striq.scoring.stability``.
        """
        for stage, values in enumerate(maps):
            self._stored("stability", stage, plane).copy_(_as_levels(values))

    def set_structure(self, plane: int, maps: Tensor) -> None:
        """Store the gray-level structure of a plane's anchors, each scaled to its largest value.

        Args:
            plane: Index of the plane.
            maps: Shape ``(K, 1, H / 4, W / 4)``; see ``striq.quality.plane_evidence``.
        """
        largest = maps.abs().amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
        levels = (maps / largest * MAX_FEATURE_LEVEL).round().to(torch.int8)
        self.get_buffer(f"structure_{plane}").copy_(levels)

    def structure(self, plane: int) -> Tensor:
        """Return what :meth:`set_structure` stored, shape ``(K, 1, H / 4, W / 4)``."""
        return self.get_buffer(f"structure_{plane}").float()

    def stability(self, plane: int) -> tuple[Tensor, ...]:
        """Return what :meth:`set_stability` stored, 1 everywhere by default, each ``(K, 1, H, W)``."""
        stages = range(len(self.shapes))
        return tuple(self._stored("stability", s, plane).float() / MAX_MASK_LEVEL for s in stages)

    def _stored(self, name: str, stage: int, plane: int) -> Tensor:
        return self.get_buffer(f"{name}{stage}_{plane}")


def _as_levels(values: Tensor) -> Tensor:
    """Return values from 0 to 1 as 8-bit levels."""
    return (values * MAX_MASK_LEVEL).round().to(torch.uint8)
