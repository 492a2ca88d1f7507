"""Registration model: frozen encoder, centering, knowledge subspace and aligner, in the order of the data flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striq.config import StriqConfig
from striq.model.aligner import Aligner, Alignment, full_precision
from striq.model.encoder import STAGE_STRIDES, FrozenEncoder, fan_masks
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
        """Return a subset of the frames; an integer returns a batch of one."""
        chosen = slice(index, index + 1) if isinstance(index, int) else index
        return Pyramid(tuple(m[chosen] for m in self.maps), tuple(m[chosen] for m in self.masks))

    def repeat_each(self, times: int) -> Pyramid:
        """Return a batch with every frame repeated ``times`` times in a row."""
        return Pyramid(_repeat_each(self.maps, times), _repeat_each(self.masks, times))

    def tile(self, times: int) -> Pyramid:
        """Return a batch with the whole batch repeated ``times`` times."""
        return Pyramid(_tile(self.maps, times), _tile(self.masks, times))

    def to(self, target: torch.device | torch.dtype) -> Pyramid:
        """Return the pyramid on the given device or in the given precision."""
        return Pyramid(tuple(m.to(target) for m in self.maps), tuple(m.to(target) for m in self.masks))


@dataclass(frozen=True)
class PlaneFeatures:
    """Features of frames with respect to one plane.

    Attributes:
        matching: Unit vectors from which the registration is estimated, stages 1 to 3.
        compared: Features that the consistency terms compare after registration.
        stability: Of anchors: how well the other anchors agree with each, 0 to 1, stages 1 to 3, each
            ``(B, 1, H, W)``; ``None`` is the same as 1 everywhere.
    """

    matching: Pyramid
    compared: Pyramid
    stability: tuple[Tensor, ...] | None = None

    def __getitem__(self, index: int | slice | Tensor) -> PlaneFeatures:
        """Return a subset of the frames; an integer returns a batch of one."""
        chosen = slice(index, index + 1) if isinstance(index, int) else index
        stability = None if self.stability is None else tuple(maps[chosen] for maps in self.stability)
        return PlaneFeatures(self.matching[index], self.compared[index], stability)

    def repeat_each(self, times: int) -> PlaneFeatures:
        """Return a batch with every frame repeated ``times`` times in a row."""
        stability = None if self.stability is None else _repeat_each(self.stability, times)
        return PlaneFeatures(self.matching.repeat_each(times), self.compared.repeat_each(times), stability)

    def tile(self, times: int) -> PlaneFeatures:
        """Return a batch with the whole batch repeated ``times`` times."""
        stability = None if self.stability is None else _tile(self.stability, times)
        return PlaneFeatures(self.matching.tile(times), self.compared.tile(times), stability)


@dataclass(frozen=True)
class Registration:
    """Moving maps warped onto fixed maps.

    Attributes:
        alignment: The transforms.
        fixed: Fixed specialized features.
        warped: Moving maps on the fixed grid, zero outside, each ``(B, C, H, W)``.
        overlap: Fixed fan mask where the warped moving map lies in its fan as well, zero elsewhere, each
            ``(B, 1, H, W)``.
        stability: Warped stability of the moving frames where both hold ultrasound, else 0; 1 there for frames without
            stability; each ``(B, 1, H, W)``.
    """

    alignment: Alignment
    fixed: Pyramid
    warped: tuple[Tensor, ...]
    overlap: tuple[Tensor, ...]
    stability: tuple[Tensor, ...]


def concatenate(pyramids: Sequence[Pyramid]) -> Pyramid:
    """Return one pyramid with the frames of all pyramids."""
    return Pyramid(
        tuple(torch.cat([p.maps[stage] for p in pyramids]) for stage in range(NUM_STAGES)),
        tuple(torch.cat([p.masks[stage] for p in pyramids]) for stage in range(NUM_STAGES)),
    )


def interleave(pyramids: Sequence[Pyramid]) -> Pyramid:
    """Return one pyramid with the first frame of every pyramid, then the second of each, and so on."""
    return Pyramid(
        tuple(torch.stack([p.maps[stage] for p in pyramids], dim=1).flatten(0, 1) for stage in range(NUM_STAGES)),
        tuple(torch.stack([p.masks[stage] for p in pyramids], dim=1).flatten(0, 1) for stage in range(NUM_STAGES)),
    )


class StriqModel(nn.Module):
    """Computes features of frames and registers frames to each other.

    Args:
        num_planes: Number of planes that the model knows [P].
        config: Settings of encoder, subspace and aligner.
    """

    def __init__(self, num_planes: int, config: StriqConfig) -> None:
        super().__init__()
        self.encoder = FrozenEncoder(config.encoder)
        channels = config.encoder.channels
        self.subspace = KnowledgeSubspace(num_planes, channels[-1], config.subspace)
        self.aligner = Aligner(channels, config.aligner)
        height, width = config.encoder.size
        for stage, (depth, stride) in enumerate(zip(channels, STAGE_STRIDES, strict=True)):
            shape = (num_planes, depth, height // stride, width // stride)
            self.register_buffer(f"mean_map{stage}", torch.zeros(shape))

    def mean_map(self, stage: int) -> Tensor:
        """Return the mean map of every plane at one stage, shape ``(P, C, H, W)``.

        Args:
            stage: Index of the stage, from 0.
        """
        return self.get_buffer(f"mean_map{stage}")

    @torch.no_grad()
    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames, which do not depend on a plane.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        maps = tuple(self.encoder(image))
        return Pyramid(maps, fan_masks(image, [m.shape[-2:] for m in maps]))

    def center(self, pyramid: Pyramid, planes: int | Tensor) -> Pyramid:
        """Return the features minus their plane's mean map, zero outside the fan.

        Args:
            pyramid: Frozen features.
            planes: Index of the plane: one for all frames, or shape ``(B,)``.
        """
        maps = tuple(
            (maps - self.mean_map(stage)[planes]) * (mask > 0)
            for stage, (maps, mask) in enumerate(zip(pyramid.maps, pyramid.masks, strict=True))
        )
        return Pyramid(maps, pyramid.masks)

    def specialize(self, frozen: Pyramid, planes: int | Tensor) -> Pyramid:
        """Return centered features, stage 3 with the Synergy Expert added.

        Args:
            frozen: Frozen features.
            planes: Index of the plane: one for all frames, or shape ``(B,)``.
        """
        centered = self.center(frozen, planes)
        deepest = self.subspace(centered.maps[-1], centered.masks[-1])
        return Pyramid((*centered.maps[:-1], deepest), centered.masks)

    def describe(self, frozen: Pyramid, planes: int | Tensor, *, specialized: bool = True) -> PlaneFeatures:
        """Return the features of frames with respect to their planes.

        Args:
            frozen: Frozen features.
            planes: Index of the plane: one for all frames, or shape ``(B,)``.
            specialized: Whether to apply the knowledge subspace to the compared features.
        """
        matching = Pyramid(tuple(self.matching_features(frozen, planes)), frozen.masks)
        return PlaneFeatures(matching, (self.specialize if specialized else self.center)(frozen, planes))

    def align(self, fixed: Pyramid, moving: Pyramid, planes: int | Tensor) -> Alignment:
        """Return the transforms that register moving features to fixed features, pair by pair.

        Args:
            fixed: Frozen features of B queries.
            moving: Frozen features of B anchors.
            planes: Index of the plane: one for all pairs, or shape ``(B,)``.
        """
        fixed_features, moving_features = (self.matching_features(frozen, planes) for frozen in (fixed, moving))
        with full_precision(fixed.maps[0]):
            return self.aligner(fixed_features, moving_features, fixed.masks, moving.masks)

    def matching_features(self, frozen: Pyramid, planes: int | Tensor) -> list[Tensor]:
        """Return the unit vectors used for matching, stages 1 to 3, each ``(B, D, H, W)``.

        Args:
            frozen: Frozen features.
            planes: Index of the plane: one for all frames, or shape ``(B,)``.
        """
        # For matching, subtract a mean per channel, not the plane's mean map. A mean map has the same pose in both
        # frames, so subtracting it would bias every match toward zero displacement.
        share = self.aligner.config.frame_centering
        maps = tuple(
            (maps - matching_center(maps, mask, self.channel_means(stage)[planes], share)) * (mask > 0)
            for stage, (maps, mask) in enumerate(zip(frozen.maps, frozen.masks, strict=True))
        )
        return self.aligner.project(maps, frozen.masks)

    def channel_means(self, stage: int) -> Tensor:
        """Return the mean of each channel of every plane's mean map at one stage, shape ``(P, C, 1, 1)``.

        Args:
            stage: Index of the stage, from 0.
        """
        return self.mean_map(stage).mean(dim=(-2, -1), keepdim=True)

    @staticmethod
    def warp_onto(
        alignment: Alignment, fixed: Pyramid, moving: Pyramid, stability: Sequence[Tensor] | None = None
    ) -> Registration:
        """Warp moving features onto fixed features.

        Args:
            alignment: Transforms of B pairs.
            fixed: Specialized features of B queries.
            moving: Specialized features of B anchors.
            stability: Of the anchors, as in :class:`PlaneFeatures`.
        """
        warped = tuple(warp(maps, alignment.transform) for maps in moving.maps)
        overlap = tuple(
            mask * (warp((moving_mask > 0).to(mask), alignment.transform) > 0.5)
            for mask, moving_mask in zip(fixed.masks, moving.masks, strict=True)
        )
        covered = tuple((inside > 0).to(inside) for inside in overlap)
        if stability is not None:
            pairs = zip(covered, stability, strict=True)
            covered = tuple(inside * warp(maps, alignment.transform) for inside, maps in pairs)
        return Registration(alignment, fixed, warped, overlap, covered)


def matching_center(maps: Tensor, mask: Tensor, of_plane: Tensor, share: float) -> Tensor:
    """Return what is subtracted from each channel before matching, shape ``(B, C, 1, 1)``.

    Args:
        maps: Frozen features, shape ``(B, C, H, W)``.
        mask: Share of each cell that lies in the fan, shape ``(B, 1, H, W)``.
        of_plane: Means of the plane, shape ``(C, 1, 1)`` or ``(B, C, 1, 1)``.
        share: Of the mean inside the frame's own fan; the rest is the mean of the plane.
    """
    own = (maps * mask).sum(dim=(2, 3), keepdim=True) / mask.sum(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    return share * own + (1 - share) * of_plane


# ``expand`` avoids copies where possible. The batch size is not read, because tracing would make it a constant.
def _repeat_each(maps: Sequence[Tensor], times: int) -> tuple[Tensor, ...]:
    return tuple(m[:, None].expand(-1, times, -1, -1, -1).flatten(0, 1) for m in maps)


def _tile(maps: Sequence[Tensor], times: int) -> tuple[Tensor, ...]:
    return tuple(m[None].expand(times, -1, -1, -1, -1).flatten(0, 1) for m in maps)
