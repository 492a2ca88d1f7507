"""The registration model: frozen encoder, centering, knowledge subspace and aligner in the order of the data flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from striq.config import StriqConfig
from striq.model.aligner import Aligner, Alignment, unrounded
from striq.model.encoder import STAGE_STRIDES, FrozenEncoder, fans_of
from striq.model.subspace import KnowledgeSubspace
from striq.registration.affine import warp

NUM_STAGES = len(STAGE_STRIDES)


@dataclass(frozen=True)
class Pyramid:
    """Feature maps of stages 1 to 3, each ``(B, C, H, W)``, and fan masks, each ``(B, 1, H, W)``."""

    maps: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.maps[0])

    def __getitem__(self, index: int | slice | Tensor) -> Pyramid:
        """Return the pyramid of some frames; an integer keeps a batch of one."""
        chosen = slice(index, index + 1) if isinstance(index, int) else index
        return Pyramid(tuple(m[chosen] for m in self.maps), tuple(m[chosen] for m in self.masks))

    def repeat_each(self, times: int) -> Pyramid:
        """Return every frame ``times`` times in a row."""
        return Pyramid(_repeat_each(self.maps, times), _repeat_each(self.masks, times))

    def tile(self, times: int) -> Pyramid:
        """Return the whole batch ``times`` times."""
        return Pyramid(_tile(self.maps, times), _tile(self.masks, times))

    def to(self, target: torch.device | torch.dtype) -> Pyramid:
        """Return the pyramid on another device or in another precision."""
        return Pyramid(tuple(m.to(target) for m in self.maps), tuple(m.to(target) for m in self.masks))


@dataclass(frozen=True)
class PlaneFeatures:
    """Frames as one plane sees them.

    Attributes:
        matching: What they are registered by, unit vectors of stages 1 to 3.
        compared: What is compared once they are registered.
    """

    matching: Pyramid
    compared: Pyramid

    def __getitem__(self, index: int | slice | Tensor) -> PlaneFeatures:
        """Return some frames; an integer keeps a batch of one."""
        return PlaneFeatures(self.matching[index], self.compared[index])

    def repeat_each(self, times: int) -> PlaneFeatures:
        """Return every frame ``times`` times in a row."""
        return PlaneFeatures(self.matching.repeat_each(times), self.compared.repeat_each(times))

    def tile(self, times: int) -> PlaneFeatures:
        """Return the whole batch ``times`` times."""
        return PlaneFeatures(self.matching.tile(times), self.compared.tile(times))


@dataclass(frozen=True)
class Registration:
    """Moving maps warped onto fixed ones.

    Attributes:
        alignment: The transforms.
        fixed: Specialized features the moving maps are warped onto.
        warped: Moving maps on the fixed grid, zero outside, each ``(B, C, H, W)``.
        overlap: Where both hold ultrasound, each ``(B, 1, H, W)``.
    """

    alignment: Alignment
    fixed: Pyramid
    warped: tuple[Tensor, ...]
    overlap: tuple[Tensor, ...]


def concatenate(pyramids: Sequence[Pyramid]) -> Pyramid:
    """Return one pyramid with the frames of all."""
    return Pyramid(
        tuple(torch.cat([p.maps[stage] for p in pyramids]) for stage in range(NUM_STAGES)),
        tuple(torch.cat([p.masks[stage] for p in pyramids]) for stage in range(NUM_STAGES)),
    )


class StriqModel(nn.Module):
    """Features of frames, and their registration to one another.

    Args:
        num_planes: Planes the model knows [P].
        config: Settings of encoder, subspace and aligner.
    """

    def __init__(self, num_planes: int, config: StriqConfig) -> None:
        super().__init__()
        self.encoder = FrozenEncoder(config.encoder)
        channels = config.encoder.channels
        self.subspace = KnowledgeSubspace(num_planes, channels[-1], config.subspace)
        self.aligner = Aligner(channels, config.aligner)
        height, width = config.encoder.size
        for stage, (kept, stride) in enumerate(zip(channels, STAGE_STRIDES, strict=True)):
            shape = (num_planes, kept, height // stride, width // stride)
            self.register_buffer(f"mean_map{stage}", torch.zeros(shape))

    def mean_map(self, stage: int) -> Tensor:
        """Return the planes' mean maps of one stage (counted from 0), shape ``(P, C, H, W)``."""
        return cast("Tensor", self.get_buffer(f"mean_map{stage}"))

    @torch.no_grad()
    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames, the same for every plane.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        maps = tuple(self.encoder(image))
        return Pyramid(maps, fans_of(image, [m.shape[-2:] for m in maps]))

    def center(self, pyramid: Pyramid, planes: int | Tensor) -> Pyramid:
        """Return features as deviations from a plane's mean map, zero outside the fan.

        Args:
            pyramid: Frozen features.
            planes: Index of the plane, one for all frames or shape ``(B,)``.
        """
        maps = tuple(
            (maps - self.mean_map(stage)[planes]) * (mask > 0)
            for stage, (maps, mask) in enumerate(zip(pyramid.maps, pyramid.masks, strict=True))
        )
        return Pyramid(maps, pyramid.masks)

    def specialize(self, frozen: Pyramid, planes: int | Tensor) -> Pyramid:
        """Return centered features with stage 3 passed through the knowledge subspace; see :meth:`center`."""
        centered = self.center(frozen, planes)
        deepest = self.subspace(centered.maps[-1], centered.masks[-1])
        return Pyramid((*centered.maps[:-1], deepest), centered.masks)

    def describe(self, frozen: Pyramid, planes: int | Tensor, *, specialized: bool = True) -> PlaneFeatures:
        """Return frames as planes see them.

        Args:
            frozen: Frozen features.
            planes: Index of the plane, one for all frames or shape ``(B,)``.
            specialized: False leaves the knowledge subspace out.
        """
        matching = Pyramid(tuple(self.matching_features(frozen, planes)), frozen.masks)
        return PlaneFeatures(matching, (self.specialize if specialized else self.center)(frozen, planes))

    def align(self, fixed: Pyramid, moving: Pyramid, planes: int | Tensor) -> Alignment:
        """Return the transforms that register moving features to fixed ones, pair by pair.

        Args:
            fixed: Frozen features of queries.
            moving: Frozen features of anchors, as many.
            planes: Index of the plane, one for all pairs or shape ``(B,)``.
        """
        fixed_features, moving_features = (self.matching_features(frozen, planes) for frozen in (fixed, moving))
        with unrounded(fixed.maps[0]):
            return self.aligner(fixed_features, moving_features, fixed.masks, moving.masks)

    def matching_features(self, frozen: Pyramid, planes: int | Tensor) -> list[Tensor]:
        """Return the unit vectors that frames are matched on, stages 1 to 3, each ``(B, C, H, W)``.

        Args:
            frozen: Frozen features.
            planes: Index of the plane, one for all frames or shape ``(B,)``.
        """
        # For matching, a plane's mean is taken per channel, not per location: a mean map would stay in place
        # under every pose and pull each match to where it already is.
        maps = tuple(
            (maps - self.mean_map(stage)[planes].mean(dim=(-2, -1), keepdim=True)) * (mask > 0)
            for stage, (maps, mask) in enumerate(zip(frozen.maps, frozen.masks, strict=True))
        )
        return self.aligner.project(maps, frozen.masks)

    @staticmethod
    def warp_onto(alignment: Alignment, fixed: Pyramid, moving: Pyramid) -> Registration:
        """Warp specialized moving features onto specialized fixed ones by given transforms."""
        warped = tuple(warp(maps, alignment.transform) for maps in moving.maps)
        overlap = tuple(
            mask * (warp((moving_mask > 0).to(mask), alignment.transform) > 0.5)
            for mask, moving_mask in zip(fixed.masks, moving.masks, strict=True)
        )
        return Registration(alignment, fixed, warped, overlap)


# Expanded, not repeated, for then a single frame is copied for none of its anchors. The number of frames must not
# be asked for either: a traced network would keep the answer.
def _repeat_each(maps: Sequence[Tensor], times: int) -> tuple[Tensor, ...]:
    return tuple(m[:, None].expand(-1, times, -1, -1, -1).flatten(0, 1) for m in maps)


def _tile(maps: Sequence[Tensor], times: int) -> tuple[Tensor, ...]:
    return tuple(m[None].expand(times, -1, -1, -1, -1).flatten(0, 1) for m in maps)
