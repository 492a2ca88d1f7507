"""Registration of one frame to all anchors of a plane at once, and the moments of the registered pairs.

It computes what ``Aligner``, ``warp_onto`` and ``measure_pairs`` compute, only at cells inside the frame's fan, and
nothing about the anchors twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from striq.config import QualityConfig, StriqConfig
from striq.model.aligner import Aligner
from striq.model.network import PlaneFeatures
from striq.quality.pair_moments import (
    MIN_WEIGHT,
    STABILITY_POWERS,
    LocationProducts,
    RegisteredPairs,
    WindowMoments,
    location_weight,
)
from striq.registration.affine import compose_affine, identity_affine
from striq.registration.modes import MatchSums, fit_sums
from striq.scoring.cpu.fan_cells import FanCells, Grid
from striq.scoring.cpu.frame_features import FrameFeatures
from striq.scoring.cpu.matching import LARGEST_SHARPNESS, GlobalMatcher, LocalMatcher, SoftMatches
from striq.scoring.cpu.resampling import MapTable


def supports_settings(aligner: Aligner, config: StriqConfig) -> bool:
    """Return whether this module computes these settings; the reference engine computes all."""
    sharpest = float(aligner.log_sharpness.detach().max())
    return config.quality.ncc_window is None and sharpest <= math.log(LARGEST_SHARPNESS)


class AnchorRegistration:
    """Anchors of one plane, stored so that a frame is registered to all of them at once.

    Args:
        anchors: Features of the anchors for their plane.
        aligner: Holds projections, gates and settings.
        quality: Stages of the NCC.
    """

    def __init__(self, anchors: PlaneFeatures, aligner: Aligner, quality: QualityConfig) -> None:
        self.aligner, self.quality, matching = aligner, quality, anchors.matching
        self.count, self.deepest = len(matching), len(matching.maps) - 1
        self.sharpness, self.ridge = (
            of_stages.exp().tolist() for of_stages in (aligner.log_sharpness, aligner.log_ridge)
        )
        self.levels = list(reversed(range(len(matching.maps) - aligner.config.levels, self.deepest)))
        self.grids = [Grid.of(maps) for maps in matching.maps]
        self.everywhere = GlobalMatcher(matching.maps[-1], matching.masks[-1], self.grids[-1].points)
        self.moving = {s: MapTable(torch.cat([matching.maps[s], matching.masks[s]], dim=1)) for s in self.levels}
        sizes = [(maps.shape[2], maps.shape[3]) for maps in matching.maps]
        settings = zip(sizes, aligner.config.radii, aligner.config.strides, strict=False)
        self.around = [LocalMatcher(size, radius, stride, matching.maps[0]) for size, radius, stride in settings]
        self._fan: FanCells | None = None
        inside = [(mask > 0).to(mask) for mask in anchors.compared.masks]
        self.flat = anchors.stability is None
        stages = zip(anchors.compared.maps, inside, anchors.stability or inside, strict=True)
        self.compared = [MapTable(torch.cat(maps, dim=1)) for maps in stages]

    def register(self, frame: FrameFeatures, *, registered: bool = True) -> RegisteredPairs:
        """Return products and moments of one frame with each of the K anchors.

        Args:
            frame: Features of one frame.
            registered: False leaves every transform at the identity.
        """
        fan = self._fan_cells(frame.masks)
        steps = self._align(frame, fan) if registered else [identity_affine(self.count, self.grids[0].table)]
        warped = [
            _WarpedAnchors(anchors, frame, fan, stage, steps[-1], flat=self.flat)
            for stage, anchors in enumerate(self.compared)
        ]
        windows = {stage: warped[stage - 1].moments() for stage in self.quality.ncc_stages}
        units = {stage: warped[stage - 1].unit_moments(stage) for stage in STABILITY_POWERS}
        return RegisteredPairs([stage.products for stage in warped], windows, units, steps)

    def _fan_cells(self, masks: Sequence[Tensor]) -> FanCells:
        """Return the cells of a fan; those of the last fan are kept."""
        fan = self._fan
        if fan is None or not fan.fits(masks):
            self._fan = fan = FanCells(masks, self.grids, self.around)
        return fan

    def _align(self, frame: FrameFeatures, fan: FanCells) -> list[Tensor]:
        """Return the composed transforms after each level, coarse to fine."""
        cells = fan.matched[self.deepest].cells
        vectors = frame.matched(self.deepest, cells)
        found = self.everywhere.match(vectors, self.sharpness[self.deepest])
        steps = [self._solve(self.deepest, fan, found)]
        for stage in self.levels:
            strips, matched = fan.strips[stage], fan.matched[stage]
            warped = self.moving[stage].sample(steps[-1], strips.places)
            vectors = frame.matched(stage, matched.cells)
            found = self.around[stage].match(vectors, warped, strips, self.sharpness[stage])
            found.expected.add_(matched.points)
            steps.append(compose_affine(steps[-1], self._solve(stage, fan, found)))
        return steps

    def _solve(self, stage: int, fan: FanCells, found: SoftMatches) -> Tensor:
        """Return the transforms fitted to the matches of cells, shape ``(K, 2, 3)``; see ``Aligner.solve``."""
        matched = fan.matched[stage]
        evidence = found.confidence * matched.shares
        weighted = torch.cat([evidence[:, None], evidence[:, None] * found.expected], dim=1).flatten(1)
        sums = (matched.products @ weighted).view(-1, 3, self.count)
        sums = (sums * self.aligner.weight(stage, sums[2, 0], matched.area)).permute(2, 1, 0)
        moments = MatchSums(sums[:, 0], sums[:, 1:, :3])
        return fit_sums(moments, mode=self.aligner.config.mode, ridge=self.ridge[stage])


class _WarpedAnchors:
    """K anchors warped onto the M cells of a frame's fan at one stage, beside the frame."""

    def __init__(
        self, anchors: MapTable, frame: FrameFeatures, fan: FanCells, stage: int, transform: Tensor, *, flat: bool
    ) -> None:
        self.fixed = frame.compared(stage, fan)
        sampled = anchors.sample(transform, fan.tables[stage], maps_first=True)
        self.moving, self.overlap = sampled[..., :-2], (sampled[..., -2] > 0.5).to(sampled)
        self.stability = self.overlap if flat else sampled[..., -1] * self.overlap
        product = torch.bmm(self.moving.transpose(0, 1), self.fixed[:, :, None])[..., 0].t()
        moving_square = torch.linalg.vector_norm(self.moving, dim=-1).square()
        fixed_square = self.fixed.square().sum(dim=-1)
        share = fan.shares[stage]
        self.products = LocationProducts(
            product, moving_square, fixed_square[None], share[None], self.stability * share
        )

    def moments(self) -> WindowMoments:
        """Return the moments over the fan that both share, as one window."""
        inside, products = self.overlap, self.products
        covered = inside.sum(dim=1, keepdim=True)
        count = covered.clamp(min=1)
        squares = (products.product, products.moving_square, products.fixed_square)
        means = [(values * inside).sum(dim=1, keepdim=True) / count for values in squares]
        return WindowMoments.from_means(means, self._means(inside, inside, count), (covered > 0).to(count))

    def unit_moments(self, stage: int) -> WindowMoments:
        """Return the moments of the unit vectors, see :func:`striq.quality.pair_moments.unit_moments`."""
        weight = location_weight(self.stability, stage)
        total = weight.sum(dim=1, keepdim=True)
        scales = self.products.inverse_lengths()
        means = self._means(weight * scales[0], weight * scales[1], total.clamp(min=MIN_WEIGHT))
        return WindowMoments.from_means(self.products.unit_means(weight, total), means, (total > 0).to(total))

    def _means(self, moving: Tensor, fixed: Tensor, total: Tensor) -> list[Tensor]:
        """Return the means of the vectors of anchors and frame, each ``(K, C, 1)``, given weights and their sum."""
        sums = torch.bmm(moving[:, None], self.moving)[:, 0], fixed @ self.fixed
        return [(of_one / total)[..., None] for of_one in sums]
